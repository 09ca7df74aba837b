package api

import (
	"context"
	"net/http"
	"time"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

type suggestionsView struct {
	Items      []view.Suggestion `json:"items" nullable:"false" doc:"Best score first."`
	Total      int               `json:"total" doc:"Number of pairs before the limit is applied."`
	Notices    []string          `json:"notices" nullable:"false" doc:"What may be missing from the list, and why."`
	ComputedAt *time.Time        `json:"computed_at" doc:"When the list was computed; null if it never was."`
	RunID      *string           `json:"run_id" doc:"The run that computed the list; null if none did. Its record is deleted after the retention period."`
}

type suggesting struct {
	OneConnection
	Min   float64 `query:"min" minimum:"0" maximum:"1" default:"0.5" doc:"Only pairs with at least this score."`
	Limit int     `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Maximum number of pairs."`
}

// wrongPair is a suggestion that is to be dismissed.
type wrongPair struct {
	Company  string `json:"company" minLength:"1" maxLength:"1000" doc:"Id, external id or exact name."`
	ClientID int64  `json:"client_id" minimum:"1" maximum:"9007199254740991"`
}

type dismissal struct {
	OneConnection
	Body struct {
		Pairs []wrongPair `json:"pairs" minItems:"1" maxItems:"500" nullable:"false"`
	}
}

type dismissed struct {
	Body struct {
		Dismissed int `json:"dismissed" doc:"Number of pairs that were not dismissed before."`
	}
}

func (h *Handler) suggestions() {
	type out struct{ Body suggestionsView }
	add(h, operation{
		id: "list-suggestions", method: http.MethodGet, path: "/connections/{connection}/suggestions", tag: "Suggestions", scope: access.Read,
		summary: "List pairs of unmapped companies and clients that may be the same customer", errors: []int{http.StatusNotFound},
		about: "Shows the list that the last run of request-suggestions stored, without the pairs that were mapped, dismissed or unmapped since. To map pairs, send them to /mappings with suggested=true.",
	}, func(ctx context.Context, p access.Principal, in *suggesting) (*out, error) {
		found, err := h.engine.Suggestions(ctx, p.Tenant, in.Connection, repo.SuggestionFilter{MinScore: in.Min, Limit: in.Limit})
		if err != nil {
			return nil, err
		}
		v := suggestionsView{Total: found.Total, Notices: append([]string{}, found.Notices...), Items: view.Each(found.Pairs, view.NewSuggestion)}
		if !found.ComputedAt.IsZero() {
			run := engine.RunID(found.RunID)
			v.ComputedAt, v.RunID = view.UTC(&found.ComputedAt), &run
		}
		return &out{v}, nil
	})
	add(h, operation{
		id: "request-suggestions", method: http.MethodPost, path: "/connections/{connection}/suggestions", tag: "Suggestions", scope: access.Write,
		status: http.StatusAccepted, errors: []int{http.StatusNotFound},
		summary: "Compute the suggestions of a connection",
		about:   "Starts a run that reads all active clients of Halo, which can take minutes. When it has succeeded, its list replaces the former one.",
	}, func(ctx context.Context, p access.Principal, in *OneConnection) (*receipt, error) {
		return receiptOf(h.engine.RequestSuggestions(ctx, p.Tenant, in.Connection, p.Actor))
	})
	add(h, operation{
		id: "dismiss-suggestions", method: http.MethodPost, path: "/connections/{connection}/dismissals", tag: "Suggestions", scope: access.Write,
		summary: "Dismiss pairs so that they are never suggested again", errors: []int{http.StatusNotFound},
		about: "Nothing is dismissed if a company is unknown or ambiguous.",
	}, func(ctx context.Context, p access.Principal, in *dismissal) (*dismissed, error) {
		pairs := make([]tasks.Pair, len(in.Body.Pairs))
		for i, pair := range in.Body.Pairs {
			pairs[i] = tasks.Pair{Company: pair.Company, ClientID: pair.ClientID}
		}
		var d dismissed
		var err error
		d.Body.Dismissed, err = h.engine.Dismiss(ctx, p.Tenant, p.Actor, in.Connection, pairs)
		return &d, err
	})
}
