package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

type eventFilter struct {
	Page
	Mapping string    `query:"mapping" format:"uuid" doc:"Only events of this mapping (id)."`
	Run     string    `query:"run" pattern:"^[0-9a-fA-F]{32}$" doc:"Only events of this run (id)."`
	Since   time.Time `query:"since" doc:"Only events at or after this time."`
}

func (h *Handler) events() {
	add(h, operation{
		id: "list-events", method: http.MethodGet, path: "/events", tag: "Events", scope: access.Read,
		summary: "List events: who changed what, when and how; newest first",
	}, func(ctx context.Context, p access.Principal, in *eventFilter) (*listOf[view.Event], error) {
		f, err := in.filter()
		if err != nil {
			return nil, err
		}
		rows, err := h.store.Events(ctx, p.Tenant, f)
		return page(rows, err, in.Limit, view.NewEvent, func(e repo.Event) string {
			return cursor("events", strconv.FormatInt(e.ID, 10))
		})
	})
}

// filter returns the filter for the store.
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
