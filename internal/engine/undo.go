package engine

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// Undo is what undoing a run came to.
type Undo struct {
	RunID     string
	Unmapped  int         // mappings taken back
	Removed   int         // companies taken back
	Gone      int         // mappings and companies that had been deleted before
	LeftCount int         // left as they are
	Left      []repo.Kept // at most 1,000 of them, with the reason
}

// mostLeft bounds [Undo.Left].
const mostLeft = 1000

func (u *Undo) add(done repo.Undone) {
	u.Gone += done.Gone
	u.LeftCount += len(done.Kept)
	u.Left = append(u.Left, done.Kept[:min(len(done.Kept), mostLeft-len(u.Left))]...)
}

// UndoRun takes back what an import or map run made and nobody has touched
// since: its mappings, and the companies that it created. Mappings are
// deleted as by [Engine.UnmapNow], so a run that was requested before does
// not bring them back. It is safe to repeat, and goes on where it was
// interrupted. A [*UsageError] says that the run has not ended or is of
// another kind.
func (e *Engine) UndoRun(ctx context.Context, tenant, actor, runID string) (Undo, error) {
	run, err := e.Run(ctx, tenant, runID)
	if err != nil {
		return Undo{}, err
	}
	id := RunID(run.ID)
	switch {
	case run.Kind != repo.KindImport && run.Kind != repo.KindMap:
		return Undo{}, usagef("run %s is of kind %s: only what an import or a map run made can be taken back", id, run.Kind)
	case !run.Ended():
		return Undo{}, conflictf(`run %s is %s: it can be undone once it has ended; "enqueue runs cancel %s" ends it`, id, run.State, id)
	}
	undo, how := Undo{RunID: id}, "undo of run "+id
	for next := uuid.Nil; ; {
		var done repo.Undone
		if done, next, err = e.store.UndoMappings(ctx, tenant, actor, how, run.ID, next, keepMapping); err != nil {
			return undo, err
		}
		undo.Unmapped += done.Removed
		undo.add(done)
		if next == uuid.Nil {
			break
		}
	}
	for next := int64(0); ; {
		var done repo.Undone
		if done, next, err = e.store.UndoCompanies(ctx, tenant, actor, how, run.ID, next, keepCompany); err != nil {
			return undo, err
		}
		undo.Removed += done.Removed
		undo.add(done)
		if next == 0 {
			return undo, nil
		}
	}
}

// keepMapping says why a mapping that a run made stays; empty: it goes.
func keepMapping(m repo.UndoMapping) string {
	if m.TouchedHow == "" {
		return ""
	}
	return fmt.Sprintf("changed by %s since (%s)", m.TouchedBy, m.TouchedHow)
}

// keepCompany says why a company that a run created stays; empty: it goes.
func keepCompany(c repo.UndoCompany) string {
	switch {
	case c.Mapped:
		return fmt.Sprintf("it is mapped to client %d (%s)", c.ClientID, c.ClientName)
	case c.ExternalID != "":
		return fmt.Sprintf("it has an external id by now (%s)", c.ExternalID)
	case c.Changed:
		return "it was changed since"
	case c.MappedElsewhere:
		return "it was mapped otherwise since"
	}
	return ""
}
