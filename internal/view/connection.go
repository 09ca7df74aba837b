package view

import (
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// Connection is a connection; its secret is not in it.
type Connection struct {
	ID            string     `json:"id" format:"uuid"`
	Tenant        string     `json:"tenant"`
	Name          string     `json:"name" doc:"Unique within the tenant." example:"Acme Halo"`
	Domain        string     `json:"domain" doc:"Halo's resource server." example:"https://acme.halopsa.com/api"`
	AuthServer    string     `json:"auth_server" doc:"Halo's authorisation server." example:"https://acme.halopsa.com/auth"`
	HaloTenant    string     `json:"halo_tenant" doc:"The tenant's name at a hosted Halo; else empty."`
	ClientID      string     `json:"client_id" doc:"The client ID of the application at Halo."`
	RateLimit     string     `json:"rate_limit" doc:"Requests per window, e.g. 300/5m; empty: the installation's default."`
	State         string     `json:"state" enum:"active,paused,needs_reconnect"`
	StateReason   string     `json:"state_reason"`
	ResyncCron    string     `json:"resync_cron" doc:"Its own schedule; empty: the installation's default."`
	NextResyncAt  *time.Time `json:"next_resync_at"`
	LastSuccessAt *time.Time `json:"last_success_at" doc:"When the last run that succeeded ended."`
	Mappings      int        `json:"mappings" doc:"How many are in force."`
}

// NewConnection returns the view of a connection.
func NewConnection(c repo.Connection) Connection {
	return Connection{
		ID: c.ID.String(), Tenant: c.Tenant, Name: c.Name, Domain: c.Domain, AuthServer: c.AuthServer,
		HaloTenant: c.HaloTenant, ClientID: c.ClientID, RateLimit: c.RateLimit,
		State: c.State, StateReason: c.StateReason, ResyncCron: c.ResyncCron,
		NextResyncAt: UTC(c.NextResyncAt), LastSuccessAt: UTC(c.LastSuccessAt), Mappings: c.Mappings,
	}
}

// Schedule is when a connection is resynced, and how that stands.
type Schedule struct {
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

// NewSchedule returns the view of a connection's schedule, as it is now.
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
