package repo_test

import (
	"testing"

	"github.com/halosync/halosync/repo"
)

// Claiming or finishing a run must not take a round trip for each statement. Each
// resync does both once a night, and other runs of its tenant wait for the claim.
func TestClaimAndFinishRoundTrips(t *testing.T) {
	t.Parallel()
	w, trips := newCountedFixture(t)
	for _, round := range []string{"warm", "counted"} { // once the statements are prepared
		n := w.newRun(round)
		n.TenantRuns = 2
		if _, _, err := w.CreateRun(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		before := trips.Load()
		claim := must[repo.Claim](t)(w.ClaimRun(t.Context(), n))
		claiming := trips.Load() - before
		equal(t, round+": claimed", []any{claim.Run.State, claim.Run.Attempt, claim.Ref.Fence}, []any{repo.StateRunning, 1, int64(1)})
		before = trips.Load()
		w.finish(t, claim.Ref)
		finishing := trips.Load() - before
		if round == "counted" { // begin, locks, check, start, commit; begin, locks, writes, commit
			equal(t, "round trips of claim and finish", []int64{claiming, finishing}, []int64{5, 4})
		}
	}
}
