package repo_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// sealing opens a store on a database. The store uses the key set that text contains.
func sealing(t *testing.T, url, text string) *repo.Store {
	t.Helper()
	store := must[*repo.Store](t)(repo.Open(t.Context(), repo.Options{URL: url, Keys: must[*secret.Keyset](t)(secret.Parse(text))}))
	t.Cleanup(store.Close)
	return store
}

// uses returns the counts from KeyUses as one line, for comparison.
func uses(t *testing.T, store *repo.Store) string {
	t.Helper()
	var all []string
	for _, u := range must[[]repo.KeyUse](t)(store.KeyUses(t.Context())) {
		all = append(all, fmt.Sprintf("%s %d", u.Role, u.Secrets))
	}
	return strings.Join(all, ", ")
}

// reseal runs a whole pass, limit secrets at a time.
func reseal(t *testing.T, store *repo.Store, limit int) (sealed int, stuck []repo.StuckSecret) {
	t.Helper()
	var cursor repo.ResealCursor
	for range 1_000 {
		r := must[repo.Resealed](t)(store.ResealSecrets(t.Context(), cursor, limit))
		sealed, stuck, cursor = sealed+r.Sealed, append(stuck, r.Stuck...), r.Next
		if r.Done {
			return sealed, stuck
		}
	}
	t.Fatal("the pass does not end")
	return 0, nil
}

// Resealing replaces what older keys have sealed, tenant by tenant. It skips what
// unknown and newer keys have sealed, and reports what cannot be decrypted.
func TestResealSecrets(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	old := must[string](t)(secret.New())
	rotated := must[string](t)(secret.Rotate(old))
	before, store, stranger := sealing(t, url, old), sealing(t, url, rotated), repotest.Open(t, url)
	var ids []uuid.UUID
	for i := range 9 {
		conn := must[repo.Connection](t)(before.AddConnection(t.Context(), []string{"globex", "acme", "umbrella"}[i%3], "ann", newConnection(fmt.Sprint("old ", i))))
		ids = append(ids, conn.ID)
	}
	must[repo.Connection](t)(stranger.AddConnection(t.Context(), "acme", "ann", newConnection("another set")))
	repotest.Exec(t, url, `update halosync.connections set secret_sealed = set_byte(secret_sealed, 20, 255 - get_byte(secret_sealed, 20)) where id = $1`, ids[1])
	equal(t, "before", uses(t, store), "reads 9, primary 0, missing 1")

	sealed, stuck := reseal(t, store, 2)
	equal(t, "sealed again", sealed, 8)
	if len(stuck) != 1 || stuck[0].Connection != ids[1] || stuck[0].Tenant != "acme" || !errors.Is(stuck[0].Err, secret.ErrOpen) || errors.Is(stuck[0].Err, secret.ErrUnknownKey) {
		t.Errorf("stuck: %v", stuck)
	}
	equal(t, "afterwards", uses(t, store), "reads 1, primary 8, missing 1")
	equal(t, "secret", must[secret.String](t)(openSecret(t, store, "globex", ids[0])).Reveal(), "hunter2-old 0")
	if _, err := openSecret(t, before, "globex", ids[0]); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("the old key still decrypts the secret: %v", err)
	}
	// A pass with the old set changes nothing.
	if sealed, stuck := reseal(t, before, 50); sealed != 0 || len(stuck) != 0 {
		t.Errorf("the old set: %d sealed, %v", sealed, stuck)
	}
}

// In the second step of a rotation, workers from the first step still have the new key
// as a staged key. They decrypt secrets that are sealed with it and do not reseal them
// with the old key.
func TestResealIsNoTugOfWar(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	staged := must[string](t)(secret.Stage(must[string](t)(secret.New())))
	first, second := sealing(t, url, staged), sealing(t, url, must[string](t)(secret.Rotate(staged)))
	conn := must[repo.Connection](t)(first.AddConnection(t.Context(), "acme", "ann", newConnection("main")))
	equal(t, "before", uses(t, first), "primary 1, staged 0")
	if n, _ := reseal(t, second, 5); n != 1 {
		t.Errorf("%d sealed again", n)
	}
	if n, _ := reseal(t, first, 5); n != 0 {
		t.Errorf("%d sealed back", n)
	}
	equal(t, "afterwards", uses(t, first), "primary 0, staged 1")
	equal(t, "secret", must[secret.String](t)(openSecret(t, first, "acme", conn.ID)).Reveal(), "hunter2-main")
}

// Concurrent passes seal each secret once.
func TestResealAtOnce(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	old := must[string](t)(secret.New())
	rotated := must[string](t)(secret.Rotate(old))
	before := sealing(t, url, old)
	for i := range 40 {
		must[repo.Connection](t)(before.AddConnection(t.Context(), "acme", "ann", newConnection(fmt.Sprint(i))))
	}
	var wait sync.WaitGroup
	totals := make([]int, 4)
	for i := range totals {
		store := sealing(t, url, rotated)
		wait.Go(func() { totals[i], _ = reseal(t, store, 3) })
	}
	wait.Wait()
	store := sealing(t, url, rotated)
	rest, _ := reseal(t, store, 3) // secrets that were skipped because they were locked
	equal(t, "sealed", totals[0]+totals[1]+totals[2]+totals[3]+rest, 40)
	equal(t, "afterwards", uses(t, store), "reads 0, primary 40")
}

// A sealed value can be decrypted only in its own row, not in a copy elsewhere.
func TestCopiedSecretDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	same, other := join(t, w.Store, w.url, "acme", "second"), join(t, w.Store, w.url, "globex", "main")
	for what, to := range map[string]*fixture{"another connection of the tenant": same, "another tenant": other} {
		repotest.Exec(t, w.url, `update halosync.connections set secret_sealed =
			(select secret_sealed from halosync.connections where id = $1) where id = $2`, w.conn, to.conn)
		plain, err := openSecret(t, w.Store, to.tenant, to.conn)
		if !errors.Is(err, secret.ErrOpen) || errors.Is(err, secret.ErrUnknownKey) || !plain.IsZero() {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The whole row is copied to the other tenant, with its id.
	repotest.Exec(t, w.url, `update halosync.connections set tenant = 'globex', name = 'stolen' where id = $1`, w.conn)
	if _, err := openSecret(t, w.Store, "globex", w.conn); !errors.Is(err, secret.ErrOpen) || errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("the whole row: %v", err)
	}
	// Resealing does not make the copy usable.
	if sealed, stuck := reseal(t, w.Store, 10); sealed != 0 || len(stuck) != 0 { // the primary key sealed everything
		t.Errorf("%d sealed, %v", sealed, stuck)
	}
}
