package tasks

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// KindMap is the name of the job that maps existing companies to clients.
const KindMap = "halo:map"

// MaxPairs is how many pairs one request may have. With ids that makes a
// payload of some 400 kB; with long names the payload's own limit, 1 MiB, may
// come first.
const MaxPairs = 5_000

// interactivePairs is how many pairs are still mapped while somebody waits.
const interactivePairs = 200

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

// MapArgs says which companies to map to which clients.
type MapArgs struct {
	Tenant       string `json:"tenant"`
	ConnectionID string `json:"connection_id"` // uuid
	Pairs        []Pair `json:"pairs"`         // 1 to [MaxPairs]
	// Replace re-points what is mapped elsewhere instead of refusing it.
	Replace bool `json:"replace,omitempty"`
	// Suggested says that the pairs are suggestions that were accepted.
	Suggested bool `json:"suggested,omitempty"`
	// RequestedBy is for the record. It does not make a request another one.
	RequestedBy string `json:"requested_by,omitempty"`
}

// Pair is one company and one client. One of ClientID and ClientName is set.
type Pair struct {
	// Company is the id, the external id or the exact name of a company.
	Company    string `json:"company"`
	ClientID   int64  `json:"client_id,omitempty"`
	ClientName string `json:"client_name,omitempty"` // the exact name in Halo
	// Line of the file that the pair came from; 0: none. It is for the record
	// and does not make a request another one.
	Line int `json:"line,omitempty"`
}

// Validate reports everything that is wrong with the arguments, at once.
func (a MapArgs) Validate() error {
	return errors.Join(
		checkText("tenant", a.Tenant, true),
		checkUUID("connection id", a.ConnectionID),
		checkPairs(a.Pairs),
		checkText("requested by", a.RequestedBy, false),
		a.checkSize(),
	)
}

// checkSize refuses what would not fit into a payload, before anything of it
// is recorded.
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

// maxFaults bounds how many faults of the same sort are told.
const maxFaults = 10

// Validate reports what is wrong with the pair.
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
		return errors.New("no client: want its id or its name")
	case p.ClientID != 0 && p.ClientName != "":
		return errors.New("client id and client name: want one of them")
	}
	return nil
}

// Canonical is the one spelling of equal arguments. Pairs stay in their order,
// which decides where two of them contradict each other.
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
	if len(a.Pairs) <= interactivePairs {
		return QueueInteractive
	}
	return QueueImport
}
