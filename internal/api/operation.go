package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/halosync/halosync/internal/access"
)

// operation describes what [add] cannot derive from the types.
type operation struct {
	id, method, path string
	summary, about   string
	tag              string
	scope            access.Scope
	status           int   // status of a success; 0: 200
	halo             bool  // the operation sends requests to Halo
	errors           []int // error statuses besides the common ones
}

const scopeKey = "scope"

// principalOf returns the principal of a request that passed [Handler.authorise].
func principalOf(ctx context.Context) access.Principal {
	p, _ := access.From(ctx)
	return p
}

// add registers an operation. The handler gets validated input. Package problem translates
// its errors.
func add[I, O any](h *Handler, o operation, handle func(ctx context.Context, p access.Principal, in *I) (*O, error)) {
	op := o.described()
	huma.Register(h.huma, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		out, err := handle(ctx, principalOf(ctx), in)
		if err != nil {
			return nil, h.problemOf(err)
		}
		return out, nil
	})
}

// described returns the operation in the library's form, with all possible errors.
func (o operation) described() huma.Operation {
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Description: o.about, Tags: []string{o.tag},
		DefaultStatus: o.status, Metadata: map[string]any{scopeKey: o.scope},
		Security:        []map[string][]string{{"key": {}}},
		MaxBodyBytes:    maxBody + 1, // readBody has read the body
		BodyReadTimeout: -1,          // readBody has read the body
	}
	op.Description += "\n\nScope: `" + string(o.scope) + "`."
	codes := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	if o.halo {
		codes = append(codes, http.StatusNotFound, http.StatusBadGateway)
	}
	if o.method != http.MethodGet {
		codes = append(codes, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if o.method == http.MethodPost {
		codes = append(codes, http.StatusConflict)
		op.Parameters = append(op.Parameters, keyParam())
	}
	codes = append(codes, o.errors...)
	slices.Sort(codes)
	op.Errors = slices.Compact(codes)
	return op
}

// authorise refuses a request unless its principal has the scope that the operation
// requires.
func (h *Handler) authorise(ctx huma.Context, next func(huma.Context)) {
	p, ok := access.From(ctx.Context())
	needed, _ := ctx.Operation().Metadata[scopeKey].(access.Scope)
	switch {
	case !ok:
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="halosync"`)
		h.refuse(ctx, http.StatusUnauthorized, "an API key is needed: Authorization: Bearer KEY")
	case !access.Permits(ctx.Context(), needed):
		h.refuse(ctx, http.StatusForbidden, "this needs the scope "+string(needed)+"; the key has "+string(p.Scope))
	default:
		next(ctx)
	}
}
