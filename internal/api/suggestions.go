package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/tasks"
)

// suggestionView is a pair that may be the same customer.
type suggestionView struct {
	Score       float64 `json:"score" minimum:"0" maximum:"1"`
	CompanyID   string  `json:"company_id" format:"uuid"`
	CompanyName string  `json:"company_name"`
	ExternalID  string  `json:"external_id"`
	ClientID    int64   `json:"client_id"`
	ClientName  string  `json:"client_name"`
	Reason      string  `json:"reason"`
	Ambiguous   bool    `json:"ambiguous" doc:"Something else fits nearly as well: for a person to decide."`
}

func viewSuggestion(s engine.Suggestion) suggestionView {
	return suggestionView{
		Score: s.Score, CompanyID: s.CompanyID.String(), CompanyName: s.CompanyName, ExternalID: s.ExternalID,
		ClientID: s.ClientID, ClientName: s.ClientName, Reason: s.Reason, Ambiguous: s.Ambiguous,
	}
}

type suggestionsView struct {
	Items   []suggestionView `json:"items" nullable:"false" doc:"The best ones first."`
	Total   int              `json:"total" doc:"How many there are without the limit."`
	Notices []string         `json:"notices" nullable:"false" doc:"What may be missing, and why."`
}

type suggesting struct {
	OneConnection
	Min   float64 `query:"min" minimum:"0" maximum:"1" default:"0.5" doc:"Only pairs with this score or more."`
	Limit int     `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many pairs at most."`
}

// wrongPair is a suggestion that is none.
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
		Dismissed int `json:"dismissed" doc:"How many were new."`
	}
}

func (h *Handler) suggestions() {
	type out struct{ Body suggestionsView }
	add(h, operation{
		id: "list-suggestions", method: http.MethodGet, path: "/connections/{connection}/suggestions", tag: "Suggestions", scope: access.Read,
		halo: true, summary: "Pairs of unmapped companies and clients that may be the same customer",
		about: "Reads all of Halo's active clients, which takes a while for a large Halo. To map pairs, send them to /mappings with suggested=true.",
	}, func(ctx context.Context, p access.Principal, in *suggesting) (*out, error) {
		found, err := h.engine.Suggest(ctx, p.Tenant, in.Connection, in.Min)
		if err != nil {
			return nil, err
		}
		v := suggestionsView{Total: len(found.Pairs), Notices: append([]string{}, found.Notices...)}
		v.Items = each(found.Pairs[:min(in.Limit, len(found.Pairs))], viewSuggestion)
		return &out{v}, nil
	})
	add(h, operation{
		id: "dismiss-suggestions", method: http.MethodPost, path: "/connections/{connection}/dismissals", tag: "Suggestions", scope: access.Write,
		summary: "Never suggest these pairs again", errors: []int{http.StatusNotFound},
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
