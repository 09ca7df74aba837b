package tasks

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// KindMap is the name of the job that maps existing companies to clients.
const KindMap = "halo:map"

// MaxPairs is the maximum number of pairs in one request. With ids, the payload is then
// about 400 kB long. A request with long names may reach the payload limit of 1 MiB
// first.
const MaxPairs = 5_000

// maxInteractivePairs is the maximum number of pairs in an interactive request.
const maxInteractivePairs = 200

// Map declares the mapping of pairs.
func Map() Kind[MapArgs, RunResult] {
	return Kind[MapArgs, RunResult]{
		Name:        KindMap,
		Queue:       MapArgs.queue,
		MaxAttempts: 10,
		Timeout:     30 * time.Minute,
		Retention:   24 * time.Hour,
	}
}

// MapArgs lists the pairs of companies and clients to map.
type MapArgs struct {
	Tenant       string `json:"tenant"`
	ConnectionID string `json:"connection_id"` // uuid
	Pairs        []Pair `json:"pairs"`         // 1 to [MaxPairs]
	// Replace moves an existing mapping of the pair's company or client. Without
	// Replace, the run refuses the pair.
	Replace bool `json:"replace,omitempty"`
	// Suggested reports whether the pairs are accepted suggestions.
	Suggested bool `json:"suggested,omitempty"`
	// RequestedBy is recorded only. It is not part of the request's [Key].
	RequestedBy string `json:"requested_by,omitempty"`
}

// Pair is a company and a client. Set either ClientID or ClientName.
type Pair struct {
	// Company is the id, the external id or the exact name of a company.
	Company    string `json:"company"`
	ClientID   int64  `json:"client_id,omitempty"`
	ClientName string `json:"client_name,omitempty"` // the exact name in Halo
	// Line is the number of the pair's line in the input file, or 0. It is only recorded
	// and is not part of the request's [Key].
	Line int `json:"line,omitempty"`
}

// Validate reports all faults of the arguments at once.
func (a MapArgs) Validate() error {
	return errors.Join(
		checkText("tenant", a.Tenant, true),
		checkUUID("connection id", a.ConnectionID),
		checkPairs(a.Pairs),
		checkText("requested by", a.RequestedBy, false),
		a.checkSize(),
	)
}

// checkSize rejects arguments that do not fit into a payload, before anything is
// recorded.
func (a MapArgs) checkSize() error {
	_, err := payloadOf(a)
	return err
}

func checkPairs(pairs []Pair) error {
	switch {
	case len(pairs) == 0:
		return errors.New("pairs: none")
	case len(pairs) > MaxPairs:
		return fmt.Errorf("pairs: %d given, at most %d are allowed", len(pairs), MaxPairs)
	}
	var faults []error
	for i, p := range pairs {
		if err := p.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("pair %d: %w", i+1, err))
		}
		if len(faults) == maxFaults {
			break
		}
	}
	return errors.Join(faults...)
}

// maxFaults is the maximum number of faulty pairs in one error.
const maxFaults = 10

// Validate reports all faults of the pair.
func (p Pair) Validate() error {
	err := errors.Join(
		checkName("company", p.Company, true),
		checkName("client name", p.ClientName, false),
	)
	switch {
	case err != nil:
		return err
	case p.Line < 0:
		return fmt.Errorf("%d is not a line", p.Line)
	case p.ClientID < 0:
		return fmt.Errorf("%d is not a client id", p.ClientID)
	case p.ClientID == 0 && p.ClientName == "":
		return errors.New("no client: give a client id or a client name")
	case p.ClientID != 0 && p.ClientName != "":
		return errors.New("client id and client name: want one of them")
	}
	return nil
}

// Canonical returns the form that equivalent arguments share. It keeps the order of the
// pairs, because the first of two contradictory pairs wins.
func (a MapArgs) Canonical() MapArgs {
	a.ConnectionID = strings.ToLower(a.ConnectionID)
	pairs := make([]Pair, len(a.Pairs))
	for i, p := range a.Pairs {
		p.Company, p.ClientName = strings.TrimSpace(p.Company), strings.TrimSpace(p.ClientName)
		pairs[i] = p
	}
	a.Pairs = pairs
	return a
}

func (a MapArgs) identity() any {
	a = a.Canonical()
	a.RequestedBy = ""
	for i := range a.Pairs {
		a.Pairs[i].Line = 0
	}
	return a
}

// Origin implements [Args].
func (a MapArgs) Origin() Stored {
	return Stored{Tenant: a.Tenant, ConnectionID: a.ConnectionID, RequestedBy: a.RequestedBy}
}

func (a MapArgs) queue() string {
	if len(a.Pairs) <= maxInteractivePairs {
		return QueueInteractive
	}
	return QueueImport
}
