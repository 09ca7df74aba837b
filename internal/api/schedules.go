package api

import (
	"context"
	"net/http"
	"time"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// scheduleView is when a connection is resynced, and how that stands.
type scheduleView struct {
	ConnectionID  string     `json:"connection_id" format:"uuid"`
	Connection    string     `json:"connection" doc:"Its name."`
	Schedule      string     `json:"schedule" doc:"In cron notation; empty: not planned yet." example:"CRON_TZ=Europe/Berlin 30 4 * * *"`
	Own           bool       `json:"own" doc:"Not the default."`
	NextResyncAt  *time.Time `json:"next_resync_at"`
	LastSuccessAt *time.Time `json:"last_success_at"`
	VerifiedAt    *time.Time `json:"verified_at" doc:"Start of the last resync that verified all mappings."`
	MissedResyncs int        `json:"missed_resyncs" doc:"Nights without a resync because no worker was up."`
	Status        string     `json:"status" doc:"How it stands, in words."`
}

func viewSchedule(c repo.Connection) scheduleView {
	v := scheduleView{
		ConnectionID: c.ID.String(), Connection: c.Name, Schedule: engine.PlannedSchedule(c), Own: c.ResyncCron != "",
		NextResyncAt: utc(c.NextResyncAt), LastSuccessAt: utc(c.LastSuccessAt), VerifiedAt: utc(c.VerifiedAt),
		MissedResyncs: c.MissedResyncs, Status: engine.ScheduleStatus(c, time.Now()),
	}
	if v.Own {
		v.Schedule = c.ResyncCron
	}
	return v
}

type newSchedule struct {
	Changed
	Body struct {
		Schedule string `json:"schedule" minLength:"1" maxLength:"200" doc:"Standard cron notation: minute, hour, day, month, day of the week, in UTC, or with CRON_TZ=Zone in front." example:"CRON_TZ=Europe/Berlin 30 4 * * *"`
	}
}

type scheduleOut struct {
	ETag string `header:"ETag" doc:"The connection's, for If-Match."`
	Body scheduleView
}

func (h *Handler) schedules() {
	add(h, operation{
		id: "list-schedules", method: http.MethodGet, path: "/schedules", tag: "Schedules", scope: access.Read,
		summary: "When each connection is resynced, by the connection's name",
	}, func(ctx context.Context, p access.Principal, in *struct{ Page }) (*listOf[scheduleView], error) {
		rows, err := h.connectionPage(ctx, p, in.Page)
		if err != nil {
			return nil, err
		}
		return &listOf[scheduleView]{cut(rows, in.Limit, viewSchedule, byName)}, nil
	})
	o := operation{
		id: "set-schedule", method: http.MethodPut, path: "/connections/{connection}/schedule", tag: "Schedules", scope: access.Admin,
		summary: "Give a connection a schedule of its own", errors: []int{http.StatusNotFound, http.StatusPreconditionFailed},
	}
	add(h, o, func(ctx context.Context, p access.Principal, in *newSchedule) (*scheduleOut, error) {
		return h.setSchedule(ctx, p, in.Changed, in.Body.Schedule)
	})
	o.id, o.method, o.summary = "clear-schedule", http.MethodDelete, "Give a connection the default schedule again"
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
	return &scheduleOut{ETag: etag(conn), Body: viewSchedule(conn)}, nil
}
