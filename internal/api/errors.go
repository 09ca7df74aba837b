package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/halosync/halosync/internal/problem"
)

// problemOf returns the RFC 9457 problem of an error.
func (h *Handler) problemOf(err error) error {
	p := problem.Of(err)
	if p.Code == problem.Internal {
		return h.internal(err)
	}
	model := newProblem(p.Status, p.Text())
	if input, ok := errors.AsType[*problem.InputError](err); ok { // reported like the errors of the library
		model.Detail, model.Errors = "validation failed", []*huma.ErrorDetail{{Message: input.Reason, Location: input.Place}}
	}
	if p.RetryAfter > 0 {
		seconds := strconv.Itoa(int((p.RetryAfter + time.Second - 1) / time.Second))
		return huma.ErrorWithHeaders(model, http.Header{"Retry-After": {seconds}})
	}
	return model
}
