package repo_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestAnswersAreKeptForADay(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "acme", "k", "print"))
	if _, err := w.ClaimRequest(t.Context(), "acme", "k", "print"); !errors.Is(err, repo.ErrRequestInProgress) {
		t.Errorf("while it is executed: %v", err)
	}
	if _, err := w.ClaimRequest(t.Context(), "acme", "k", "another"); !errors.Is(err, repo.ErrKeyReused) {
		t.Errorf("another request: %v", err)
	}
	answer := repo.Answer{Status: 201, Header: []byte(`{"Location": ["x"]}`), Body: []byte("body")}
	if err := w.AnswerRequest(t.Context(), "acme", "k", uuid.New(), answer); err != nil { // not the owner
		t.Fatal(err)
	}
	if err := w.AnswerRequest(t.Context(), "acme", "k", claim.Owner, answer); err != nil {
		t.Fatal(err)
	}
	equal(t, "answer", must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "acme", "k", "print")), repo.ClaimedRequest{Answer: answer})
	repotest.Exec(t, w.url, `update halosync.answers set claimed_at = claimed_at - interval '23 hours'`)
	equal(t, "answer", must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "acme", "k", "print")), repo.ClaimedRequest{Answer: answer})
	repotest.Exec(t, w.url, `update halosync.answers set claimed_at = claimed_at - interval '2 hours'`)
	again := must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "acme", "other", "print"))
	equal(t, "kept after a day", repotest.Value[string](t, w.url, `select string_agg(key, ' ') from halosync.answers`), "other")

	// After five minutes another caller can claim the request, and the previous owner
	// can no longer answer it.
	repotest.Exec(t, w.url, `update halosync.answers set claimed_at = claimed_at - interval '6 minutes'`)
	heir := must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "acme", "other", "print"))
	if heir.Owner == uuid.Nil || heir.Owner == again.Owner {
		t.Errorf("new owner %v, previous owner %v", heir.Owner, again.Owner)
	}
	if err := errors.Join(w.AnswerRequest(t.Context(), "acme", "other", again.Owner, answer), w.ReleaseRequest(t.Context(), "acme", "other", again.Owner)); err != nil {
		t.Fatal(err)
	}
	equal(t, "answered", repotest.Value[int](t, w.url, `select count(*) from halosync.answers where status is null`), 1)
	if err := w.ReleaseRequest(t.Context(), "acme", "other", heir.Owner); err != nil {
		t.Fatal(err)
	}
	equal(t, "left", repotest.Value[int](t, w.url, `select count(*) from halosync.answers`), 0)
	for _, key := range []string{"", "a\x00", strings.Repeat("x", 201)} {
		if _, err := w.ClaimRequest(t.Context(), "acme", key, "print"); !errors.Is(err, repo.ErrInvalid) {
			t.Errorf("key %.10q: %v", key, err)
		}
	}
}

// A fingerprint that cannot be decrypted, because its key is gone, does not prove that
// two requests are the same.
func TestFingerprintOfAnotherKeyset(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "acme", "k", "print"))
	other := repotest.OpenKeyed(t, w.url, must[string](t)(secret.New()))
	if _, err := other.ClaimRequest(t.Context(), "acme", "k", "print"); !errors.Is(err, repo.ErrKeyReused) {
		t.Errorf("error %v", err)
	}
}

func TestIfUnchanged(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	seen := must[repo.Connection](t)(w.Connection(t.Context(), "acme", w.conn)).UpdatedAt
	name, other := "renamed", "once more"
	first, second := w.IfUnchanged(seen), w.IfUnchanged(seen)
	now := must[repo.Connection](t)(first.UpdateConnection(t.Context(), "acme", "ann", w.conn, repo.ConnectionChange{Name: &name}))
	if !now.UpdatedAt.After(seen) {
		t.Errorf("changed at %v, before %v", now.UpdatedAt, seen)
	}
	_, err := second.UpdateConnection(t.Context(), "acme", "bob", w.conn, repo.ConnectionChange{Name: &other})
	for what, err := range map[string]error{
		"update": err,
		"state":  second.SetConnectionState(t.Context(), "acme", "bob", w.conn, repo.Paused, ""),
		"remove": second.RemoveConnection(t.Context(), "acme", "bob", w.conn),
	} {
		if !errors.Is(err, repo.ErrChanged) {
			t.Errorf("%s by the second editor: %v", what, err)
		}
	}
	if err := w.IfUnchanged(time.Time{}).SetConnectionState(t.Context(), "acme", "bob", w.conn, repo.Paused, ""); err != nil {
		t.Errorf("without a condition: %v", err)
	}
	last := must[repo.Connection](t)(w.Connection(t.Context(), "acme", w.conn))
	if err := w.IfUnchanged(last.UpdatedAt).RemoveConnection(t.Context(), "acme", "ann", w.conn); err != nil {
		t.Errorf("by an editor of the latest version: %v", err)
	}
}

// Runs that were queued at the same time are all listed, page by page.
func TestRunsByPage(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	repotest.Exec(t, w.url, `insert into halosync.runs (id, tenant, connection_id, kind, request_key, queued_at)
		select gen_random_uuid(), 'acme', $1, 'import', 'k' || i, now() from generate_series(1, 25) i`, w.conn)
	seen := map[uuid.UUID]bool{}
	f := repo.RunFilter{Limit: 4}
	for {
		runs := must[[]repo.Run](t)(w.Runs(t.Context(), "acme", f))
		for _, r := range runs {
			seen[r.ID] = true
		}
		if len(runs) < f.Limit {
			break
		}
		last := runs[len(runs)-1]
		f.QueuedBefore, f.BeforeID = last.QueuedAt, last.ID
	}
	equal(t, "runs", len(seen), 25)
}
