package repo_test

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// tripCounter counts how often the client changes from writing to waiting for a reply.
type tripCounter struct {
	net.Conn
	wrote atomic.Bool
	trips *atomic.Int64
}

func (c *tripCounter) Write(b []byte) (int, error) {
	c.wrote.Store(true)
	return c.Conn.Write(b)
}

func (c *tripCounter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.wrote.CompareAndSwap(true, false) {
		c.trips.Add(1)
	}
	return n, err
}

// newCountedFixture is like newFixture and also returns the number of round trips.
func newCountedFixture(t *testing.T) (*fixture, *atomic.Int64) {
	t.Helper()
	url := repotest.URL(t)
	trips := &atomic.Int64{}
	store, err := repo.OpenWrapped(t.Context(), url, repotest.Keys(t), func(conn net.Conn) net.Conn {
		return &tripCounter{Conn: conn, trips: trips}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return join(t, store, url, "acme", "main"), trips
}

// Once the connection has prepared the statements, a batch takes two round trips,
// whatever its size and outcome.
func TestImportBatchRoundTrips(t *testing.T) {
	t.Parallel()
	w, trips := newCountedFixture(t)
	all := clients(1000)

	warm := w.claim(t, "warm")
	first := all[:2]
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), warm.Ref, page(1, first...), decider(first)))
	first[0].Name = "Renamed"
	p := page(2, first...)
	p.Skips = []repo.RunItem{{ClientID: 9, Outcome: repo.Skipped}}
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), warm.Ref, p, decider(first)))
	w.finish(t, warm.Ref)

	claim := w.claim(t, "counted")
	number := 0
	count := func(what string, list []repo.Client, want repo.Counts) {
		t.Helper()
		number++
		before := trips.Load()
		res := must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(number, list...), decider(list)))
		equal(t, what+" counts", res.Counts, want)
		equal(t, what+" round trips", trips.Load()-before, int64(2))
	}
	count("no", nil, repo.Counts{})
	count("new", all[2:102], repo.Counts{Created: 100})
	count("unchanged", all[2:102], repo.Counts{Unchanged: 100})
	for i := range all[2:102] {
		all[2+i].Inactive = true
	}
	count("changed", all[2:102], repo.Counts{Refreshed: 100})
	count("large", all[102:], repo.Counts{Created: 898})
}
