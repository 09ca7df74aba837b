package engine

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// Undo is the outcome of undoing a run.
type Undo struct {
	RunID     string
	Unmapped  int         // mappings deleted
	Removed   int         // companies deleted
	Gone      int         // mappings and companies that were already deleted
	LeftCount int         // mappings and companies that were kept
	Left      []repo.Kept // the first 1,000 that were kept, each with the reason
}

// maxLeft is the maximum length of [Undo.Left].
const maxLeft = 1000

func (u *Undo) add(done repo.Undone) {
	u.Gone += done.Gone
	u.LeftCount += len(done.Kept)
	u.Left = append(u.Left, done.Kept[:min(len(done.Kept), maxLeft-len(u.Left))]...)
}

// UndoRun deletes the mappings and companies that an import or map run created, unless
// they have changed since. It deletes mappings like [Engine.UnmapNow], so runs
// requested before the undo do not create them again. UndoRun is safe to repeat: it
// continues where it was interrupted. It returns a [*UsageError] if the run has not
// ended or is of another kind.
func (e *Engine) UndoRun(ctx context.Context, tenant, actor, runID string) (Undo, error) {
	run, err := e.Run(ctx, tenant, runID)
	if err != nil {
		return Undo{}, err
	}
	id := RunID(run.ID)
	switch {
	case run.Kind != repo.KindImport && run.Kind != repo.KindMap:
		return Undo{}, usagef("run %s is of kind %s: only import and map runs can be undone", id, run.Kind)
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

// keepMapping returns why the undo keeps a mapping, or "" if the undo deletes it.
func keepMapping(m repo.UndoMapping) string {
	if m.TouchedHow == "" {
		return ""
	}
	return fmt.Sprintf("changed by %s since (%s)", m.TouchedBy, m.TouchedHow)
}

// keepCompany returns why the undo keeps a company, or "" if the undo deletes it.
func keepCompany(c repo.UndoCompany) string {
	switch {
	case c.Mapped:
		return fmt.Sprintf("it is mapped to client %d (%s)", c.ClientID, c.ClientName)
	case c.ExternalID != "":
		return fmt.Sprintf("it now has an external id (%s)", c.ExternalID)
	case c.Changed:
		return "it was changed since"
	case c.MappedElsewhere:
		return "it has been mapped to another client since"
	}
	return ""
}
