package repo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

// fixture is a database with a connection of one tenant.
type fixture struct {
	*repo.Store
	url    string
	tenant string
	conn   uuid.UUID
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	url := repotest.URL(t)
	return join(t, repotest.Open(t, url), url, "acme", "main")
}

// join adds a connection to a database and returns a fixture for it.
func join(t testing.TB, store *repo.Store, url, tenant, name string) *fixture {
	t.Helper()
	conn, err := store.AddConnection(t.Context(), tenant, "ann", newConnection(name))
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Store: store, url: url, tenant: tenant, conn: conn.ID}
}

func newConnection(name string) repo.NewConnection {
	return repo.NewConnection{
		Name: name, Domain: "https://acme.halopsa.com/api", AuthServer: "https://acme.halopsa.com/auth",
		ClientID: "0b1f", Secret: secret.NewString("hunter2-" + name),
	}
}

// openSecret reads a connection and decrypts its client secret.
func openSecret(t *testing.T, store *repo.Store, tenant string, id uuid.UUID) (secret.String, error) {
	t.Helper()
	c, err := store.Credentials(t.Context(), tenant, id)
	if err != nil {
		return secret.String{}, err
	}
	return c.Secret()
}

// openHeader is like openSecret for the connection's HTTP header.
func openHeader(t *testing.T, store *repo.Store, tenant string, id uuid.UUID) (name string, value secret.String, err error) {
	t.Helper()
	c, err := store.Credentials(t.Context(), tenant, id)
	if err == nil {
		value, err = c.HeaderValue()
	}
	return c.HeaderName, value, err
}

// newRun describes an import of the fixture's connection.
func (w *fixture) newRun(key string) repo.NewRun {
	return repo.NewRun{
		ID: uuid.New(), Kind: repo.KindImport, Tenant: w.tenant, ConnectionID: w.conn,
		Args: json.RawMessage(`{"all":true}`), RequestKey: key, RequestedBy: "ann",
	}
}

// claim starts a run that is not in the ledger yet.
func (w *fixture) claim(t testing.TB, key string) repo.Claim {
	t.Helper()
	claim, err := w.ClaimRun(t.Context(), w.newRun(key))
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

// finish ends a claimed run.
func (w *fixture) finish(t testing.TB, ref repo.RunRef) {
	t.Helper()
	if err := w.FinishRun(t.Context(), ref, repo.Finish{State: repo.StateSucceeded, Complete: true}); err != nil {
		t.Fatal(err)
	}
}

// importAll imports clients in one run, in batches of up to 100.
func (w *fixture) importAll(t testing.TB, key string, clients ...repo.Client) repo.Counts {
	t.Helper()
	claim := w.claim(t, key)
	number := 0
	for chunk := range slices.Chunk(clients, 100) {
		number++
		if _, err := w.ImportBatch(t.Context(), claim.Ref, page(number, chunk...), decider(chunk)); err != nil {
			t.Fatal(err)
		}
	}
	w.finish(t, claim.Ref)
	run, err := w.Run(t.Context(), w.tenant, claim.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	return run.Counts
}

// page returns a batch of the first pass with this page number.
func page(number int, clients ...repo.Client) repo.ImportBatch {
	p := repo.ImportBatch{Pass: 1, Page: number, Clients: clients, Cursor: json.RawMessage(fmt.Sprintf(`{"page":%d}`, number))}
	for _, c := range clients {
		p.NormNames = append(p.NormNames, strings.ToLower(c.Name))
		p.PageIDs = append(p.PageIDs, c.ID)
	}
	return p
}

// decider is a simplified version of the importer's decisions.
func decider(clients []repo.Client) func(repo.BatchState) ([]repo.Decision, error) {
	return func(state repo.BatchState) ([]repo.Decision, error) {
		var out []repo.Decision
		for _, c := range clients {
			d := decide(c, state)
			d.Client, d.Norm = c, strings.ToLower(c.Name)
			out = append(out, d)
		}
		return out, nil
	}
}

func decide(c repo.Client, state repo.BatchState) repo.Decision {
	if m, ok := state.Mapped[c.ID]; ok {
		state := repo.MappingOK
		if c.Inactive {
			state = repo.MappingInactive
		}
		if m.ClientName == c.Name && m.ClientInactive == c.Inactive && m.State == state {
			return repo.Decision{Outcome: repo.Unchanged}
		}
		return repo.Decision{Outcome: repo.Refreshed}
	}
	if _, ok := state.Unmapped[c.ID]; ok {
		return repo.Decision{Outcome: repo.Skipped, Reason: "unmapped by a person"}
	}
	free := slices.DeleteFunc(slices.Clone(state.Candidates[strings.ToLower(c.Name)]), func(c repo.Candidate) bool { return c.Mapped })
	switch len(free) {
	case 0:
		return repo.Decision{Outcome: repo.Created}
	case 1:
		return repo.Decision{Outcome: repo.Linked, CompanyID: free[0].CompanyID}
	}
	return repo.Decision{Outcome: repo.Ambiguous, Reason: fmt.Sprintf("%d companies", len(free))}
}

// clients returns n clients with ids from 1.
func clients(n int) []repo.Client {
	list := make([]repo.Client, n)
	for i := range list {
		list[i] = repo.Client{ID: int64(i + 1), Name: fmt.Sprintf("Client %d", i+1), TopLevelID: 7, TopLevelName: "Top"}
	}
	return list
}

func equal(t testing.TB, what string, got, want any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// within returns a context that limits how long a test waits.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// shortNames removes the repeated byte of long names, so that their differences
// are readable.
var shortNames = cmp.Transformer("short", func(s string) string { return strings.ReplaceAll(s, "\xc3", "") })
