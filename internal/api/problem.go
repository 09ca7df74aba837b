package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/problem"
)

const problemType = "application/problem+json"

// newProblem returns an RFC 9457 problem.
func newProblem(status int, detail string) *huma.ErrorModel {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}
}

// internal logs an error and returns a problem that contains only the id of the log entry.
func (h *Handler) internal(err error) *huma.ErrorModel {
	id := uuid.New()
	h.log.Error("request failed", zap.Stringer("id", id), zap.Error(err))
	p := newProblem(http.StatusInternalServerError, "something went wrong; ask the operator of halosync to look up "+id.String()+" in the log")
	p.Instance = "urn:uuid:" + id.String()
	return p
}

// writeProblem answers a request that matches no operation.
func writeProblem(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller may have disconnected
}

// refuse answers a request with a problem. Only the middleware of operations calls it.
func (h *Handler) refuse(ctx huma.Context, status int, detail string) {
	_ = huma.WriteErr(h.huma, ctx, status, detail) // the caller may have disconnected
}

// maxFaults is the maximum number of faults in a problem. maxPlace is the maximum length in
// bytes of a fault's location. Without these limits, a caller could make a problem
// arbitrarily large.
const (
	maxFaults = 20
	maxPlace  = 200
)

// withoutValues removes any values of the request that the library quotes, because they may
// be client secrets.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	clean := *p
	clean.Errors = nil
	for _, fault := range p.Errors {
		if fault == nil {
			continue
		}
		if len(clean.Errors) == maxFaults {
			break
		}
		place := fault.Location
		if len(place) > maxPlace {
			place = strings.ToValidUTF8(place[:maxPlace], "") + "…"
		}
		clean.Errors = append(clean.Errors, &huma.ErrorDetail{Message: fault.Message, Location: place})
	}
	return &clean, nil
}

// problemOf returns the RFC 9457 problem for an error.
func (h *Handler) problemOf(err error) error {
	p := problem.Of(err)
	if p.Code == problem.Internal {
		return h.internal(err)
	}
	model := newProblem(p.Status, p.Text())
	if input, ok := errors.AsType[*problem.InputError](err); ok { // in the same form as the library's errors
		model.Detail, model.Errors = "validation failed", []*huma.ErrorDetail{{Message: input.Reason, Location: input.Place}}
	}
	if p.RetryAfter > 0 {
		seconds := strconv.Itoa(int((p.RetryAfter + time.Second - 1) / time.Second))
		return huma.ErrorWithHeaders(model, http.Header{"Retry-After": {seconds}})
	}
	return model
}
