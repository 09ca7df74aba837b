package repo

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// JobSecurity is the row of upkeep with the position of [Store.ExportSecurityEvents].
const JobSecurity = "security"

const (
	// maxGaps bounds the number of gaps that an export remembers. exportBatch bounds the
	// number of events in one export.
	maxGaps     = 1000
	exportBatch = 500
	// gapLife is how long a gap is remembered. It exceeds the time in which an id can
	// still become visible: a transaction of the programs lasts at most a minute.
	gapLife = 10 * time.Minute
)

// exported is the position of the export of security events.
type exported struct {
	Last int64 `json:"last"` // the largest id that was visible
	// Gaps are smaller ids that were not visible. Their transactions have not ended, or
	// were rolled back.
	Gaps []gap `json:"gaps,omitempty"`
}

type gap struct {
	ID    int64     `json:"id"`
	Since time.Time `json:"since"`
}

// ids returns the ids of the gaps.
func (x exported) ids() []int64 {
	ids := make([]int64, len(x.Gaps))
	for i, g := range x.Gaps {
		ids[i] = g.ID
	}
	return ids
}

// next returns the position after an export of the given ids, which are in ascending
// order.
func (x exported) next(ids []int64, now time.Time) exported {
	n := exported{Last: x.Last}
	if len(ids) > 0 {
		n.Last = max(n.Last, ids[len(ids)-1])
	}
	for _, g := range x.Gaps {
		if _, seen := slices.BinarySearch(ids, g.ID); !seen && now.Sub(g.Since) < gapLife {
			n.Gaps = append(n.Gaps, g)
		}
	}
	for id := max(x.Last, n.Last-maxGaps) + 1; id < n.Last; id++ {
		if _, seen := slices.BinarySearch(ids, id); !seen {
			n.Gaps = append(n.Gaps, gap{id, now})
		}
	}
	n.Gaps = n.Gaps[max(0, len(n.Gaps)-maxGaps):]
	return n
}

// ExportSecurityEvents calls export with the next events of the whole installation that
// no worker has exported yet, and returns the number of these events. Only one worker
// exports at a time; for all others the number is 0. If the worker dies during the call,
// the next call exports the same events again.
func (s *Store) ExportSecurityEvents(ctx context.Context, export func([]SecurityEvent)) (n int, err error) {
	err = s.forAllTenants().InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var raw json.RawMessage
		var now time.Time
		err := tx.QueryRow(ctx, `select result, now() from halosync.upkeep where job = $1 for update skip locked`, JobSecurity).Scan(&raw, &now)
		if errors.Is(err, pgx.ErrNoRows) { // another worker is exporting
			return nil
		}
		if err != nil {
			return err
		}
		var at exported
		if err := json.Unmarshal(raw, &at); err != nil {
			return err
		}
		events, err := querySecurityEvents(ctx, tx, `id > $1 or id = any($2) order by id limit $3`, at.Last, at.ids(), exportBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		ids := make([]int64, len(events))
		for i, e := range events {
			ids[i] = e.ID
		}
		if raw, err = json.Marshal(at.next(ids, now)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update halosync.upkeep set result = $2, done_at = now() where job = $1`, JobSecurity, raw); err != nil {
			return err
		}
		export(events)
		n = len(events)
		return nil
	})
	return n, wrap("export security events", err)
}
