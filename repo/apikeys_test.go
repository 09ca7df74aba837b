package repo_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	cli := repotest.OpenAs(t, repotest.CLI(t, w.url))
	ctx := t.Context()
	equal(t, "any key", must[bool](t)(w.AnyAPIKey(ctx)), false)
	add := func(name string, lasts time.Duration) (repo.APIKey, error) {
		return cli.AddAPIKey(ctx, "acme", "ann", repo.NewAPIKey{ID: uuid.New(), Name: name, Scope: "write", Hash: [32]byte{1}, For: lasts})
	}
	key := must[repo.APIKey](t)(add("ci", 0))
	brief := must[repo.APIKey](t)(add("brief", time.Hour))
	if key.ExpiresAt != nil || brief.ExpiresAt == nil || brief.ExpiresAt.Sub(brief.CreatedAt) != time.Hour {
		t.Errorf("keys %+v, %+v", key, brief)
	}
	if _, err := add("ci", 0); !errors.Is(err, repo.ErrConflict) || err.Error() != `add API key: API key "ci" already exists` {
		t.Errorf("taken name: %v", err)
	}
	for _, name := range []string{"", "a\nb", "zero\u200bwidth"} {
		if _, err := add(name, 0); !errors.Is(err, repo.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}

	proof := must[repo.APIKeyProof](t)(w.APIKeyProof(ctx, key.ID))
	equal(t, "proof", []any{proof.Tenant, proof.Valid, proof.Stale, proof.Hash[0]}, []any{"acme", true, true, byte(1)})
	var written [2]string
	for i := range written {
		if err := w.TouchAPIKey(ctx, "acme", key.ID); err != nil {
			t.Fatal(err)
		}
		written[i] = repotest.Value[string](t, w.url, `select xmin::text from halosync.api_keys where last_used_at is not null`)
	}
	equal(t, "written by the second touch", written[1], written[0])
	equal(t, "stale", must[repo.APIKeyProof](t)(w.APIKeyProof(ctx, key.ID)).Stale, false)
	repotest.Exec(t, w.url, `update halosync.api_keys set expires_at = now() where name = 'brief'`)
	equal(t, "expired", must[repo.APIKeyProof](t)(w.APIKeyProof(ctx, brief.ID)).Valid, false)

	session := repo.NewSession{Hash: [32]byte{2}, Actor: "key:ci", Scope: "write", APIKeyID: &key.ID, For: time.Hour}
	if err := w.AddSession(ctx, "acme", session); err != nil {
		t.Fatal(err)
	}
	revoked, ended, err := cli.RevokeAPIKey(ctx, "acme", "ann", "ci")
	if err != nil || ended != 1 || revoked.RevokedAt == nil {
		t.Errorf("revoked %+v, sessions %d, %v", revoked, ended, err)
	}
	if _, err := w.Session(ctx, session.Hash, nil); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("session of a revoked key: %v", err)
	}
	again, ended, err := cli.RevokeAPIKey(ctx, "acme", "ann", key.ID.String())
	if err != nil || ended != 0 || !again.RevokedAt.Equal(*revoked.RevokedAt) {
		t.Errorf("revoked again %+v, %v", again, err)
	}
	equal(t, "any valid key", must[bool](t)(w.AnyAPIKey(ctx)), false)
	must[repo.APIKey](t)(add("ci", 0)) // the name is free again
	equal(t, "listed", len(must[[]repo.APIKey](t)(w.APIKeys(ctx, "acme"))), 3)
	equal(t, "events", repotest.Value[[]string](t, w.url, `select array_agg(action order by id) from halosync.events where action like 'apikey%'`),
		[]string{"apikey.added", "apikey.added", "apikey.revoked", "apikey.added"})
}

// A session ends after its lifetime, after an hour without use, or with its key. A
// sign-in deletes expired sessions.
func TestSessions(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ctx := t.Context()
	key := must[repo.APIKey](t)(repotest.OpenAs(t, repotest.CLI(t, w.url)).AddAPIKey(ctx, "acme", "ann", repo.NewAPIKey{ID: uuid.New(), Name: "ci", Scope: "read"}))
	accepted := [][]byte{make([]byte, 16)}
	begin := func(n byte, id *uuid.UUID) [32]byte {
		hash := [32]byte{n}
		session := repo.NewSession{Hash: hash, Actor: "ann", Scope: "read", APIKeyID: id, For: 12 * time.Hour}
		if id == nil {
			session.SigninSecret = accepted[0]
		}
		if err := w.AddSession(ctx, "acme", session); err != nil {
			t.Fatal(err)
		}
		return hash
	}
	old, idle, ofKey, alive := begin(1, nil), begin(2, nil), begin(3, &key.ID), begin(4, nil)
	repotest.Exec(t, w.url, `update halosync.sessions set expires_at = now() where hash = $1`, old[:])
	repotest.Exec(t, w.url, `update halosync.sessions set last_seen_at = now() - interval '61 minutes' where hash = $1`, idle[:])
	repotest.Exec(t, w.url, `update halosync.api_keys set expires_at = now()`)
	repotest.Exec(t, w.url, `update halosync.sessions set last_seen_at = now() - interval '59 minutes' where hash = $1`, alive[:])
	for name, hash := range map[string][32]byte{"expired": old, "idle": idle, "of an expired key": ofKey, "unknown": {9}} {
		if _, err := w.Session(ctx, hash, accepted); !errors.Is(err, repo.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	equal(t, "stale", must[repo.Session](t)(w.Session(ctx, alive, accepted)).Stale, true)
	if err := w.TouchSession(ctx, "acme", alive); err != nil {
		t.Fatal(err)
	}
	session := must[repo.Session](t)(w.Session(ctx, alive, accepted))
	equal(t, "session", session, repo.Session{ID: session.ID, Tenant: "acme", Actor: "ann", Scope: "read"})
	for what, secrets := range map[string][][]byte{"a replaced secret": {[]byte("0123456789abcdef")}, "no secret": nil} {
		if _, err := w.Session(ctx, alive, secrets); !errors.Is(err, repo.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	begin(5, nil)
	equal(t, "sessions left", repotest.Value[int](t, w.url, `select count(*)::int from halosync.sessions`), 3)
	equal(t, "ended in another tenant", must[int](t)(w.EndSessions(ctx, "globex", "eve", repo.SessionFilter{ID: &session.ID})), 0)
	equal(t, "ended", must[int](t)(w.EndSessions(ctx, "acme", "ann", repo.SessionFilter{ID: &session.ID})), 1)
	if _, err := w.Session(ctx, alive, accepted); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("ended: %v", err)
	}

	first := must[bool](t)(w.UseSigninToken(ctx, "acme", [32]byte{1}, time.Minute))
	second := must[bool](t)(w.UseSigninToken(ctx, "acme", [32]byte{1}, time.Minute))
	equal(t, "token used", []bool{first, second}, []bool{true, false})
	repotest.Exec(t, w.url, `update halosync.signin_tokens_used set expires_at = now()`)
	must[bool](t)(w.UseSigninToken(ctx, "acme", [32]byte{2}, time.Minute))
	equal(t, "tokens kept", repotest.Value[int](t, w.url, `select count(*)::int from halosync.signin_tokens_used`), 1)
}

// Sessions can be ended by id, person, key or tenant, or in the whole
// installation. All other sessions remain.
func TestEndSessions(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ctx := t.Context()
	key := must[repo.APIKey](t)(repotest.OpenAs(t, w.url).AddAPIKey(ctx, "acme", "ann", repo.NewAPIKey{ID: uuid.New(), Name: "ci", Scope: "read"}))
	n := byte(0)
	begin := func(tenant, actor string, id *uuid.UUID) {
		t.Helper()
		n++
		if err := w.AddSession(ctx, tenant, repo.NewSession{Hash: [32]byte{n}, Actor: actor, Scope: "read", APIKeyID: id, SigninSecret: make([]byte, 16), For: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() []string {
		return repotest.Value[[]string](t, w.url, `select coalesce(array_agg(tenant || ' ' || actor order by tenant, actor), '{}') from halosync.sessions`)
	}
	for _, tenant := range []string{"acme", "globex"} {
		for _, user := range []string{"user:anna", "user:anna", "user:bob"} {
			begin(tenant, user, nil)
		}
	}
	begin("acme", "key:ci", &key.ID)
	list := must[[]repo.OpenSession](t)(w.Sessions(ctx, "acme", repo.SessionFilter{Actor: "user:bob"}))
	equal(t, "listed", []int{len(list), len(must[[]repo.OpenSession](t)(w.Sessions(ctx, "acme", repo.SessionFilter{}))),
		len(must[[]repo.OpenSession](t)(w.SessionsOfAll(ctx, repo.SessionFilter{})))}, []int{1, 4, 7})
	equal(t, "one", must[int](t)(w.EndSessions(ctx, "acme", "ann", repo.SessionFilter{ID: &list[0].ID})), 1)
	equal(t, "of a person", must[int](t)(w.EndSessions(ctx, "acme", "ann", repo.SessionFilter{Actor: "user:anna"})), 2)
	equal(t, "of another tenant's key", must[int](t)(w.EndSessions(ctx, "globex", "ann", repo.SessionFilter{APIKeyID: &key.ID})), 0)
	equal(t, "left", left(), []string{"acme key:ci", "globex user:anna", "globex user:anna", "globex user:bob"})
	equal(t, "of a key", must[int](t)(w.EndSessions(ctx, "acme", "ann", repo.SessionFilter{APIKeyID: &key.ID})), 1)
	begin("acme", "user:carol", nil)
	equal(t, "of a tenant", must[int](t)(w.EndSessions(ctx, "acme", "ann", repo.SessionFilter{})), 1)
	begin("acme", "user:anna", nil)
	equal(t, "of a person in all tenants", must[int](t)(w.EndSessionsOfAll(ctx, "ops", repo.SessionFilter{Actor: "user:anna"})), 3)
	equal(t, "left", left(), []string{"globex user:bob"})
	equal(t, "of all tenants", must[int](t)(w.EndSessionsOfAll(ctx, "ops", repo.SessionFilter{})), 1)
	equal(t, "again", must[int](t)(w.EndSessionsOfAll(ctx, "ops", repo.SessionFilter{})), 0)
}
