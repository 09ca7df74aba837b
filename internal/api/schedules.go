package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/view"
)

type newSchedule struct {
	Changed
	Body struct {
		Schedule string `json:"schedule" minLength:"1" maxLength:"200" doc:"Cron notation: minute, hour, day, month, day of the week; in UTC unless it starts with CRON_TZ=Zone." example:"CRON_TZ=Europe/Berlin 30 4 * * *"`
	}
}

type scheduleOut struct {
	ETag string `header:"ETag" doc:"ETag of the connection, for If-Match."`
	Body view.Schedule
}

func (h *Handler) schedules() {
	add(h, operation{
		id: "list-schedules", method: http.MethodGet, path: "/schedules", tag: "Schedules", scope: access.Read,
		summary: "List the schedules, by name of the connection",
	}, func(ctx context.Context, p access.Principal, in *struct{ Page }) (*listOf[view.Schedule], error) {
		rows, err := h.connectionPage(ctx, p, in.Page)
		return page(rows, err, in.Limit, view.NewSchedule, byName)
	})
	o := operation{
		id: "set-schedule", method: http.MethodPut, path: "/connections/{connection}/schedule", tag: "Schedules", scope: access.Admin,
		summary: "Set the schedule of a connection", errors: []int{http.StatusNotFound, http.StatusPreconditionFailed},
	}
	add(h, o, func(ctx context.Context, p access.Principal, in *newSchedule) (*scheduleOut, error) {
		return h.setSchedule(ctx, p, in.Changed, in.Body.Schedule)
	})
	o.id, o.method, o.summary = "clear-schedule", http.MethodDelete, "Reset a connection to the default schedule"
	add(h, o, func(ctx context.Context, p access.Principal, in *Changed) (*scheduleOut, error) {
		return h.setSchedule(ctx, p, *in, "")
	})
}

func (h *Handler) setSchedule(ctx context.Context, p access.Principal, in Changed, spec string) (*scheduleOut, error) {
	conn, edit, _, err := h.edit(ctx, p, in.Connection, in.Condition)
	if err != nil {
		return nil, err
	}
	if conn, err = edit.SetSchedule(ctx, p.Tenant, p.Actor, conn.ID.String(), spec); err != nil {
		return nil, err
	}
	return &scheduleOut{ETag: etag(conn), Body: view.NewSchedule(conn)}, nil
}
