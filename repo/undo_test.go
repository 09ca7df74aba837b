package repo_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Unmapping and restoring keep the row and its id. A mapping whose company was deleted
// cannot be restored, but it still stops an import requested earlier from mapping its
// client.
func TestUnmapRestoreUndo(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(3)
	claim := w.claim(t, "k")
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1, list...), decider(list)))
	w.finish(t, claim.Ref)
	earlier := w.claim(t, "earlier")
	ids := w.mappingIDs()

	outcomes := must[[]repo.MappingOutcome](t)(w.Unmap(t.Context(), w.tenant, "bob", ids[:1]))
	equal(t, "unmapped", []any{outcomes[0].Outcome, outcomes[0].Mapping.CompanyName}, []any{repo.Unmapped, "Client 1"})
	outcomes = must[[]repo.MappingOutcome](t)(w.Restore(t.Context(), w.tenant, "bob", ids[:1], nil))
	equal(t, "restored", []any{outcomes[0].Outcome, outcomes[0].Mapping.State, outcomes[0].Mapping.MappedBy}, []any{repo.Restored, repo.MappingUnverified, "restore"})

	keep := func(m repo.UndoMapping) string { return m.TouchedHow }
	done, next, err := w.UndoMappings(t.Context(), w.tenant, "carol", "undo", claim.Run.ID, uuid.Nil, keep)
	equal(t, "undo", []any{done.Removed, done.Gone, len(done.Kept), next, err}, []any{2, 0, 1, uuid.Nil, nil})
	equal(t, "kept", []any{done.Kept[0].MappingID, done.Kept[0].Reason}, []any{ids[0], "mapping.deleted"})
	done, last, err := w.UndoCompanies(t.Context(), w.tenant, "carol", "undo", claim.Run.ID, 0, func(repo.UndoCompany) string { return "" })
	equal(t, "companies", []any{done.Removed, len(done.Kept), last, err}, []any{2, 0, int64(0), nil})
	equal(t, "mappings without a company", repotest.Value[int](t, w.url, `select count(*) from halosync.mappings where company_id is null and deleted_at is not null`), 2)

	res := must[repo.ImportResult](t)(w.ImportBatch(t.Context(), earlier.Ref, page(1, list...), decider(list)))
	equal(t, "import that was requested before", res.Counts, repo.Counts{Refreshed: 1, Skipped: 2})
	outcomes = must[[]repo.MappingOutcome](t)(w.Restore(t.Context(), w.tenant, "bob", ids[1:], nil))
	equal(t, "restore", fmt.Sprint(outcomes[0].Outcome, ", ", outcomes[0].Reason), "refused, its company was deleted")

	var actions []string
	for e, err := range w.AllEvents(t.Context(), w.tenant, repo.EventFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Actor == "carol" {
			actions = append(actions, e.Action+" "+e.How)
		}
	}
	equal(t, "events", actions, []string{"company.deleted undo", "company.deleted undo", "mapping.deleted undo", "mapping.deleted undo"})
}

// A change by a sync does not count, whatever its event is called. A change by a person
// or a map run counts.
func TestUndoReadsLaterChanges(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	list := clients(5)
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1, list...), decider(list)))
	w.finish(t, claim.Ref)
	byHand, _ := w.claimMap(t, "m")
	ids := w.mappingIDs()
	add := func(i int, action string, run *uuid.UUID) {
		repotest.Exec(t, w.url, `insert into halosync.events (tenant, actor, action, mapping_id, run_id) values ('acme', 'x', $1, $2, $3)`, action, ids[i], run)
	}
	add(0, "mapping.missing", &claim.Run.ID)
	add(1, "mapping.refreshed", &byHand.Run.ID)
	add(2, "mapping.restored", nil)
	add(3, "mapping.restored", &byHand.Run.ID)
	kept := make(map[uuid.UUID]bool)
	_, _, err := w.UndoMappings(t.Context(), w.tenant, "carol", "undo", claim.Run.ID, uuid.Nil, func(m repo.UndoMapping) string {
		kept[m.ID] = m.TouchedHow != ""
		return m.TouchedHow
	})
	equal(t, "touched", []any{kept, err}, []any{map[uuid.UUID]bool{ids[0]: false, ids[1]: false, ids[2]: true, ids[3]: true, ids[4]: false}, nil})
}

// A long undo proceeds part by part, and each part begins where the previous one ended.
func TestUndoGoesPartByPart(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	list := clients(1100)
	for i := range 11 {
		part := list[i*100 : i*100+100]
		must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(i+1, part...), decider(part)))
	}
	w.finish(t, claim.Ref)
	var parts []int
	for next := uuid.Nil; ; {
		done, after, err := w.UndoMappings(t.Context(), w.tenant, "carol", "undo", claim.Run.ID, next, func(repo.UndoMapping) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		if parts = append(parts, done.Removed); after == uuid.Nil {
			break
		}
		next = after
	}
	equal(t, "mappings", parts, []int{500, 500, 100})
	parts = nil
	for next := int64(0); ; {
		done, after, err := w.UndoCompanies(t.Context(), w.tenant, "carol", "undo", claim.Run.ID, next, func(repo.UndoCompany) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		if parts = append(parts, done.Removed); after == 0 {
			break
		}
		next = after
	}
	equal(t, "companies", parts, []int{500, 500, 100})
}
