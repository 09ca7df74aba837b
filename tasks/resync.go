package tasks

import (
	"errors"
	"strings"
	"time"
)

// KindResync is the name of the job that reconciles a connection's mappings
// with Halo.
const KindResync = "halo:resync"

// Resync declares the resync.
func Resync() Kind[ResyncArgs, RunResult] {
	return Kind[ResyncArgs, RunResult]{
		Name:        KindResync,
		Queue:       ResyncArgs.queue,
		MaxAttempts: 10,
		Timeout:     30 * time.Minute,
		Retention:   24 * time.Hour,
	}
}

// ResyncArgs names the connection whose mappings are reconciled.
type ResyncArgs struct {
	Tenant       string `json:"tenant"`
	ConnectionID string `json:"connection_id"` // uuid
	// Scheduled reports whether the schedule requested the resync. If so, no one is
	// waiting for the result. Scheduled is not part of the request's [Key].
	Scheduled bool `json:"scheduled,omitempty"`
	// RequestedBy is recorded only. It is not part of the request's [Key].
	RequestedBy string `json:"requested_by,omitempty"`
}

// Validate reports all faults of the arguments at once.
func (a ResyncArgs) Validate() error {
	return errors.Join(
		checkText("tenant", a.Tenant, true),
		checkUUID("connection id", a.ConnectionID),
		checkText("requested by", a.RequestedBy, false),
	)
}

// Canonical returns the form that equivalent arguments share.
func (a ResyncArgs) Canonical() ResyncArgs {
	a.ConnectionID = strings.ToLower(a.ConnectionID)
	return a
}

func (a ResyncArgs) identity() any {
	a = a.Canonical()
	a.RequestedBy, a.Scheduled = "", false
	return a
}

// Origin implements [Args].
func (a ResyncArgs) Origin() Stored {
	return Stored{Tenant: a.Tenant, ConnectionID: a.ConnectionID, RequestedBy: a.RequestedBy}
}

func (a ResyncArgs) queue() string {
	if a.Scheduled {
		return QueueResync
	}
	return QueueImport
}
