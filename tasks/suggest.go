package tasks

import (
	"errors"
	"strings"
	"time"
)

// KindSuggest is the name of the job that computes the suggestions of a connection.
const KindSuggest = "halo:suggest"

// Suggest declares the computation of suggestions. It reads the whole list of clients,
// which takes minutes in a large Halo, so it is not in the queue of short runs although a
// person waits for it.
func Suggest() Kind[SuggestArgs, RunResult] {
	return Kind[SuggestArgs, RunResult]{
		Name:        KindSuggest,
		Queue:       func(SuggestArgs) string { return QueueImport },
		MaxAttempts: 10,
		Timeout:     30 * time.Minute,
		Retention:   24 * time.Hour,
	}
}

// SuggestArgs names the connection whose suggestions are computed.
type SuggestArgs struct {
	Tenant       string `json:"tenant"`
	ConnectionID string `json:"connection_id"` // uuid
	// RequestedBy is recorded only. It is not part of the request's [Key].
	RequestedBy string `json:"requested_by,omitempty"`
}

// Validate reports all faults of the arguments at once.
func (a SuggestArgs) Validate() error {
	return errors.Join(
		checkText("tenant", a.Tenant, true),
		checkUUID("connection id", a.ConnectionID),
		checkText("requested by", a.RequestedBy, false),
	)
}

// Canonical returns the form that equivalent arguments share.
func (a SuggestArgs) Canonical() SuggestArgs {
	a.ConnectionID = strings.ToLower(a.ConnectionID)
	return a
}

func (a SuggestArgs) identity() any {
	a = a.Canonical()
	a.RequestedBy = ""
	return a
}

// Origin implements [Args].
func (a SuggestArgs) Origin() Stored {
	return Stored{Tenant: a.Tenant, ConnectionID: a.ConnectionID, RequestedBy: a.RequestedBy}
}
