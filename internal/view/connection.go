package view

import (
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// Connection is the view of a connection, without its secret.
type Connection struct {
	ID            string               `json:"id" format:"uuid"`
	Tenant        string               `json:"tenant"`
	Name          string               `json:"name" doc:"Unique within the tenant." example:"Acme Halo"`
	Domain        string               `json:"domain" doc:"Halo's resource server." example:"https://acme.halopsa.com/api"`
	AuthServer    string               `json:"auth_server" doc:"Halo's authorisation server." example:"https://acme.halopsa.com/auth"`
	HaloTenant    string               `json:"halo_tenant" doc:"Tenant name, for hosted Halo only; may be empty."`
	ClientID      string               `json:"client_id" doc:"Client ID of the application in Halo."`
	HeaderName    string               `json:"header_name" doc:"Name of your own HTTP header, which is sent with every request to Halo; empty if there is no such header. Its value is never shown."`
	RateLimit     string               `json:"rate_limit" doc:"Requests per window, such as 300/5m; empty for the installation's default."`
	State         repo.ConnectionState `json:"state" enum:"active,paused,needs_reconnect"`
	StateReason   string               `json:"state_reason"`
	ResyncCron    string               `json:"resync_cron" doc:"The connection's own schedule; empty for the installation's default."`
	NextResyncAt  *time.Time           `json:"next_resync_at"`
	LastSuccessAt *time.Time           `json:"last_success_at" doc:"End of the last successful run."`
	Mappings      int                  `json:"mappings" doc:"Number of active mappings."`
}

// NewConnection returns the view of a connection.
func NewConnection(c repo.Connection) Connection {
	return Connection{
		ID: c.ID.String(), Tenant: c.Tenant, Name: c.Name, Domain: c.Domain, AuthServer: c.AuthServer,
		HaloTenant: c.HaloTenant, ClientID: c.ClientID, HeaderName: c.HeaderName, RateLimit: c.RateLimit,
		State: c.State, StateReason: c.StateReason, ResyncCron: c.ResyncCron,
		NextResyncAt: UTC(c.NextResyncAt), LastSuccessAt: UTC(c.LastSuccessAt), Mappings: c.Mappings,
	}
}

// Schedule says when a connection is resynced.
type Schedule struct {
	ConnectionID  string     `json:"connection_id" format:"uuid"`
	Connection    string     `json:"connection" doc:"Name of the connection."`
	Schedule      string     `json:"schedule" doc:"In cron notation; empty if not planned yet." example:"CRON_TZ=Europe/Berlin 30 4 * * *"`
	Own           bool       `json:"own" doc:"Whether the connection has its own schedule."`
	NextResyncAt  *time.Time `json:"next_resync_at"`
	LastSuccessAt *time.Time `json:"last_success_at"`
	VerifiedAt    *time.Time `json:"verified_at" doc:"Start of the last resync that verified all mappings."`
	MissedResyncs int        `json:"missed_resyncs" doc:"Number of resyncs that were missed because no worker was running."`
	Status        string     `json:"status" doc:"Summary for people."`
}

// NewSchedule returns the view of a connection's current schedule.
func NewSchedule(c repo.Connection) Schedule {
	v := Schedule{
		ConnectionID: c.ID.String(), Connection: c.Name, Schedule: engine.PlannedSchedule(c), Own: c.ResyncCron != "",
		NextResyncAt: UTC(c.NextResyncAt), LastSuccessAt: UTC(c.LastSuccessAt), VerifiedAt: UTC(c.VerifiedAt),
		MissedResyncs: c.MissedResyncs, Status: engine.ScheduleStatus(c, time.Now()),
	}
	if v.Own {
		v.Schedule = c.ResyncCron
	}
	return v
}
