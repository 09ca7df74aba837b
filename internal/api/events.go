package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// eventView is one change: who, when, how, before and after.
type eventView struct {
	ID           int64     `json:"id"`
	Tenant       string    `json:"tenant"`
	At           time.Time `json:"at"`
	Actor        string    `json:"actor"`
	Action       string    `json:"action" example:"mapping.created"`
	How          string    `json:"how" doc:"In words; may be empty."`
	RunID        *string   `json:"run_id"`
	ConnectionID *string   `json:"connection_id" format:"uuid"`
	MappingID    *string   `json:"mapping_id" format:"uuid"`
	CompanyID    *string   `json:"company_id" format:"uuid"`
	ClientID     *int64    `json:"client_id"`
	Before       facts     `json:"before" doc:"Null: there was nothing before."`
	After        facts     `json:"after" doc:"Null: there is nothing any more."`
}

// facts are what is known of a thing, by the names of its fields.
type facts struct{ json.RawMessage }

// Schema describes them: an object, or null.
func (facts) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: true, AdditionalProperties: true}
}

func viewEvent(e repo.Event) eventView {
	v := eventView{
		ID: e.ID, Tenant: e.Tenant, At: e.At.UTC(), Actor: e.Actor, Action: e.Action, How: e.How,
		ConnectionID: idText(e.ConnectionID), MappingID: idText(e.MappingID), CompanyID: idText(e.CompanyID),
		ClientID: e.ClientID, Before: facts{e.Before}, After: facts{e.After},
	}
	if e.RunID != nil {
		id := engine.RunID(*e.RunID)
		v.RunID = &id
	}
	return v
}

type eventFilter struct {
	Page
	Mapping string    `query:"mapping" format:"uuid" doc:"Only those of this mapping (id)."`
	Run     string    `query:"run" pattern:"^[0-9a-fA-F]{32}$" doc:"Only those of this run (id)."`
	Since   time.Time `query:"since" doc:"Only those from this time on."`
}

func (h *Handler) events() {
	add(h, operation{
		id: "list-events", method: http.MethodGet, path: "/events", tag: "Events", scope: access.Read,
		summary: "Who changed what, when and how; newest first",
	}, func(ctx context.Context, p access.Principal, in *eventFilter) (*listOf[eventView], error) {
		f, err := in.filter()
		if err != nil {
			return nil, err
		}
		rows, err := h.store.Events(ctx, p.Tenant, f)
		if err != nil {
			return nil, err
		}
		return &listOf[eventView]{cut(rows, in.Limit, viewEvent, func(e repo.Event) string {
			return cursor("events", strconv.FormatInt(e.ID, 10))
		})}, nil
	})
}

// filter is the filter for the store. The library has checked the forms of ids.
func (in eventFilter) filter() (repo.EventFilter, error) {
	f := repo.EventFilter{Since: in.Since, Limit: in.Limit + 1}
	parts, err := parseCursor("events", in.After, 1)
	if err != nil {
		return f, err
	}
	if parts != nil {
		if f.Before, err = strconv.ParseInt(parts[0], 10, 64); err != nil || f.Before < 1 {
			return f, fault("query.after", "not a cursor of this list")
		}
	}
	for _, id := range []struct {
		text   string
		target **uuid.UUID
		place  string
	}{{in.Mapping, &f.MappingID, "query.mapping"}, {in.Run, &f.RunID, "query.run"}} {
		if id.text == "" {
			continue
		}
		parsed, err := uuid.Parse(id.text)
		if err != nil {
			return f, fault(id.place, "want an id")
		}
		*id.target = &parsed
	}
	return f, nil
}
