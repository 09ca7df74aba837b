package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"go.uber.org/zap"
)

const problemType = "application/problem+json"

// newProblem is an RFC 9457 problem.
func newProblem(status int, detail string) *huma.ErrorModel {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}
}

// internal is the problem that somebody here has to mend. The caller gets an id
// under which the log has the rest.
func (h *Handler) internal(err error) *huma.ErrorModel {
	id := uuid.New()
	h.log.Error("request failed", zap.Stringer("id", id), zap.Error(err))
	p := newProblem(http.StatusInternalServerError, "something went wrong here; whoever runs halosync finds it in the log under "+id.String())
	p.Instance = "urn:uuid:" + id.String()
	return p
}

// writeProblem answers where no operation is at work.
func writeProblem(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller may be gone
}

// refuse answers from within the chain of an operation.
func (h *Handler) refuse(ctx huma.Context, status int, detail string) {
	_ = huma.WriteErr(h.huma, ctx, status, detail) // the caller may be gone
}

// mostFaults bounds how many faults of a request are told, longestPlace how
// long the place of one may be: both are the caller's text.
const (
	mostFaults   = 20
	longestPlace = 200
)

// withoutValues takes out of a problem what the library quotes from the
// request: it may be a client secret.
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
		if len(clean.Errors) == mostFaults {
			break
		}
		place := fault.Location
		if len(place) > longestPlace {
			place = strings.ToValidUTF8(place[:longestPlace], "") + "…"
		}
		clean.Errors = append(clean.Errors, &huma.ErrorDetail{Message: fault.Message, Location: place})
	}
	return &clean, nil
}
