package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// KindUnmap is the name of the job that unmaps companies and clients.
const KindUnmap = "halo:unmap"

// MaxMappings is the maximum number of mappings in one request.
const MaxMappings = 5_000

// Unmap declares the unmap job.
func Unmap() Kind[UnmapArgs, RunResult] {
	return Kind[UnmapArgs, RunResult]{
		Name:        KindUnmap,
		Queue:       func(UnmapArgs) string { return QueueInteractive },
		MaxAttempts: 10,
		Timeout:     5 * time.Minute,
		Retention:   24 * time.Hour,
	}
}

// UnmapArgs lists the mappings of a connection to unmap.
type UnmapArgs struct {
	Tenant       string   `json:"tenant"`
	ConnectionID string   `json:"connection_id"` // uuid
	MappingIDs   []string `json:"mapping_ids"`   // uuids, 1 to [MaxMappings]
	// RequestedBy is recorded only. It is not part of the request's [Key].
	RequestedBy string `json:"requested_by,omitempty"`
}

// Validate reports all faults of the arguments at once.
func (a UnmapArgs) Validate() error {
	faults := []error{
		checkText("tenant", a.Tenant, true),
		checkUUID("connection id", a.ConnectionID),
		checkText("requested by", a.RequestedBy, false),
	}
	switch n := len(a.MappingIDs); {
	case n == 0:
		faults = append(faults, errors.New("mapping ids: none"))
	case n > MaxMappings:
		faults = append(faults, fmt.Errorf("mapping ids: %d given, at most %d are allowed", n, MaxMappings))
	}
	for _, id := range a.MappingIDs {
		if err := checkUUID("mapping id", id); err != nil {
			faults = append(faults, err)
			break
		}
	}
	return errors.Join(faults...)
}

// Canonical returns the form that equivalent arguments share: ids in lower case, sorted
// and without duplicates.
func (a UnmapArgs) Canonical() UnmapArgs {
	a.ConnectionID = strings.ToLower(a.ConnectionID)
	ids := make([]string, len(a.MappingIDs))
	for i, id := range a.MappingIDs {
		ids[i] = strings.ToLower(id)
	}
	slices.Sort(ids)
	a.MappingIDs = slices.Compact(ids)
	return a
}

func (a UnmapArgs) identity() any {
	a = a.Canonical()
	a.RequestedBy = ""
	return a
}

// Origin implements [Args].
func (a UnmapArgs) Origin() Stored {
	return Stored{Tenant: a.Tenant, ConnectionID: a.ConnectionID, RequestedBy: a.RequestedBy}
}
