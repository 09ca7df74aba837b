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

// ResyncArgs says which connection's mappings to reconcile.
type ResyncArgs struct {
	Tenant       string `json:"tenant"`
	ConnectionID string `json:"connection_id"` // uuid
	// Scheduled says that the clock asked and nobody waits. It does not make a
	// request another one.
	Scheduled bool `json:"scheduled,omitempty"`
	// RequestedBy is for the record. It does not make a request another one.
	RequestedBy string `json:"requested_by,omitempty"`
}

// Validate reports everything that is wrong with the arguments, at once.
func (a ResyncArgs) Validate() error {
	return errors.Join(
		checkText("tenant", a.Tenant, true),
		checkUUID("connection id", a.ConnectionID),
		checkText("requested by", a.RequestedBy, false),
	)
}

// Canonical is the one spelling of equal arguments.
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
