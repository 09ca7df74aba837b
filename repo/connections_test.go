package repo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestConnections(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.importAll(t, "k", clients(3)...)
	join(t, w.Store, w.url, w.tenant, "Another")

	list := must[[]repo.Connection](t)(w.Connections(t.Context(), w.tenant))
	equal(t, "names", []string{list[0].Name, list[1].Name}, []string{"Another", "main"})
	equal(t, "mappings", []int{list[0].Mappings, list[1].Mappings}, []int{0, 3})
	for _, ref := range []string{"main", w.conn.String(), repo.Hex(w.conn)} {
		equal(t, ref, must[repo.Connection](t)(w.FindConnection(t.Context(), w.tenant, ref)).ID, w.conn)
	}
	for _, ref := range []string{"", "MAIN", "main\x00", uuid.NewString(), strings.Repeat("x", 300)} {
		if _, err := w.FindConnection(t.Context(), w.tenant, ref); !errors.Is(err, repo.ErrNotFound) {
			t.Errorf("%.20q: %v", ref, err)
		}
	}
	_, err := w.AddConnection(t.Context(), w.tenant, "ann", newConnection("main"))
	var conflict *repo.ConflictError
	if !errors.As(err, &conflict) || conflict.What != "connection" || conflict.Name != "main" {
		t.Errorf("double: %v", err)
	}
}

func TestAddConnectionRefuses(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for what, change := range map[string]func(*repo.NewConnection){
		"name":  func(n *repo.NewConnection) { n.Name = "" },
		"long":  func(n *repo.NewConnection) { n.Name = strings.Repeat("é", 201) },
		"NUL":   func(n *repo.NewConnection) { n.Domain = "a\x00b" },
		"UTF-8": func(n *repo.NewConnection) { n.ClientID = "\xff" },
	} {
		n := newConnection("new")
		change(&n)
		if _, err := w.AddConnection(t.Context(), w.tenant, "ann", n); !errors.Is(err, repo.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, tenant := range []string{"", "a\x00", strings.Repeat("t", 201)} {
		if _, err := w.AddConnection(t.Context(), tenant, "ann", newConnection("new")); !errors.Is(err, repo.ErrInvalid) {
			t.Errorf("tenant %.10q: %v", tenant, err)
		}
	}
}

func TestConnectionSecretIsSealed(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	sealed := func() []byte {
		return repotest.Value[[]byte](t, w.url, `select secret_sealed from halosync.connections where id = $1`, w.conn)
	}
	before := sealed()
	if bytes.Contains(before, []byte("hunter2")) {
		t.Error("the secret is not encrypted")
	}
	equal(t, "secret", must[secret.String](t)(openSecret(t, w.Store, w.tenant, w.conn)).Reveal(), "hunter2-main")

	next := secret.NewString("hunter3")
	must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "ann", w.conn, repo.ConnectionChange{Secret: &next}))
	equal(t, "rotated", must[secret.String](t)(openSecret(t, w.Store, w.tenant, w.conn)).Reveal(), "hunter3")
	if bytes.Equal(before, sealed()) {
		t.Error("the sealed secret did not change")
	}
	dump := repotest.Value[string](t, w.url, `select string_agg(e::text, ' ') from halosync.events e`)
	if strings.Contains(dump, "hunter") || !strings.Contains(dump, "secret replaced") {
		t.Errorf("events: %s", dump)
	}

	// A sealed secret that is copied to another row cannot be decrypted there.
	other := join(t, w.Store, w.url, "globex", "main")
	repotest.Exec(t, w.url, `update halosync.connections set secret_sealed = $1 where id = $2`, sealed(), other.conn)
	if _, err := openSecret(t, w.Store, "globex", other.conn); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("copied secret: %v", err)
	}

	bare, err := repo.Open(t.Context(), repo.Options{URL: w.url})
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if _, err := openSecret(t, bare, w.tenant, w.conn); err == nil {
		t.Error("secret decrypted without keys")
	}
	if _, err := bare.AddConnection(t.Context(), w.tenant, "ann", newConnection("x")); err == nil {
		t.Error("secret sealed without keys")
	}
}

func TestUpdateConnection(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	name, rate, cron, at := "renamed", "300/5m", "0 3 * * *", time.Now().Add(time.Hour).Truncate(time.Microsecond)
	conn := must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "bob", w.conn,
		repo.ConnectionChange{Name: &name, RateLimit: &rate, ResyncCron: &cron, NextResyncAt: &at}))
	equal(t, "changed", []any{conn.Name, conn.RateLimit, conn.ResyncCron, conn.NextResyncAt.Equal(at), conn.Domain},
		[]any{name, rate, cron, true, "https://acme.halopsa.com/api"})
	none, never := "", time.Time{}
	conn = must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "bob", w.conn,
		repo.ConnectionChange{RateLimit: &none, ResyncCron: &none, NextResyncAt: &never}))
	equal(t, "reset", []any{conn.Name, conn.RateLimit, conn.ResyncCron, conn.NextResyncAt == nil}, []any{name, "", "", true})
	equal(t, "null", repotest.Value[bool](t, w.url, `select rate_limit is null and resync_cron is null from halosync.connections`), true)

	events := func() []repo.Event { return must[[]repo.Event](t)(w.Events(t.Context(), w.tenant, repo.EventFilter{})) }
	equal(t, "events", len(events()), 3)
	must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "bob", w.conn, repo.ConnectionChange{Name: &name}))
	equal(t, "events after no change", len(events()), 3)
	var before, after map[string]string
	if err := errors.Join(json.Unmarshal(events()[1].Before, &before), json.Unmarshal(events()[1].After, &after)); err != nil {
		t.Fatal(err)
	}
	equal(t, "before and after", []string{before["name"], after["name"], events()[1].Actor}, []string{"main", "renamed", "bob"})

	join(t, w.Store, w.url, w.tenant, "taken")
	taken := "taken"
	if _, err := w.UpdateConnection(t.Context(), w.tenant, "bob", w.conn, repo.ConnectionChange{Name: &taken}); !errors.Is(err, repo.ErrConflict) {
		t.Errorf("taken name: %v", err)
	}
	if _, err := w.UpdateConnection(t.Context(), w.tenant, "bob", w.conn, repo.ConnectionChange{Name: &none}); !errors.Is(err, repo.ErrInvalid) {
		t.Errorf("empty name: %v", err)
	}
}

func TestSetConnectionState(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 2 {
		if err := w.SetConnectionState(t.Context(), w.tenant, "worker", w.conn, repo.NeedsReconnect, "status 401"); err != nil {
			t.Fatal(err)
		}
	}
	conn := must[repo.Connection](t)(w.Connection(t.Context(), w.tenant, w.conn))
	equal(t, "state", []string{string(conn.State), conn.StateReason}, []string{"needs_reconnect", "status 401"})
	equal(t, "events", repotest.Value[int](t, w.url, `select count(*) from halosync.events where action = 'connection.needs_reconnect'`), 1)
	if err := w.SetConnectionState(t.Context(), w.tenant, "worker", w.conn, "sold", ""); !errors.Is(err, repo.ErrInvalid) {
		t.Errorf("unknown state: %v", err)
	}
}

func TestRemoveConnection(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.importAll(t, "k", clients(3)...)
	repotest.Exec(t, w.url, `update halosync.mappings set deleted_at = now(), deleted_by = 'bob' where client_id = 2`)
	running := w.claim(t, "running")
	other := join(t, w.Store, w.url, w.tenant, "other")
	other.importAll(t, "k", clients(2)...)

	preview := must[repo.Removal](t)(w.PreviewRemoval(t.Context(), w.tenant, w.conn))
	equal(t, "preview", preview, repo.Removal{Mappings: 2, Unmapped: 1, Clients: 3, Runs: 2, Active: 1})
	if err := w.RemoveConnection(t.Context(), w.tenant, "bob", w.conn); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"connections": 1, "mappings": 2, "clients": 2, "runs": 1, "companies": 3} {
		equal(t, table, repotest.Value[int](t, w.url, `select count(*) from halosync.`+table), want)
	}
	_, err := w.ImportBatch(t.Context(), running.Ref, page(1), decider(nil))
	if !errors.Is(err, repo.ErrFenced) {
		t.Errorf("run of a removed connection: %v", err)
	}
	if _, err := w.ClaimRun(t.Context(), w.newRun("again")); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("claim: %v", err)
	}
	if err := w.RemoveConnection(t.Context(), w.tenant, "bob", w.conn); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if _, err := w.PreviewRemoval(t.Context(), w.tenant, w.conn); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("preview: %v", err)
	}
	events := must[[]repo.Event](t)(w.Events(t.Context(), w.tenant, repo.EventFilter{Limit: 1}))
	equal(t, "last event", events[0].Action+" "+events[0].Actor, "connection.removed bob")
}
