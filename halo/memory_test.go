package halo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halosync/halosync/internal/bulkhead"
)

// flow is a body of n bytes. It passes the mark slowly, so that all bodies that can grow
// beyond the mark at the same time do so.
type flow struct {
	r       *http.Request
	n, mark int
	read    int
	counted bool
	gauge   *gauge
}

// gauge counts the bodies beyond their mark.
type gauge struct {
	mu        sync.Mutex
	now, peak int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.peak = max(g.peak, g.now)
}

// angles fill the bodies. They look like HTML, which is refused without further reading.
var angles = bytes.Repeat([]byte{'<'}, 8<<20)

func (f *flow) Read(p []byte) (int, error) {
	if f.read > f.mark && !f.counted {
		f.counted = true
		f.gauge.add(1)
		select {
		case <-time.After(3 * time.Second):
		case <-f.r.Context().Done():
			return 0, f.r.Context().Err()
		}
	}
	n := min(len(p), f.n-f.read)
	copy(p[:n], angles)
	f.read += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *flow) Close() error {
	if f.counted {
		f.gauge.add(-1)
	}
	return nil
}

// Many connections of eleven tenants read large answers at the same time, as requests of
// the API do. All together, they stay within the budget of the process. Meanwhile, a
// neighbour's ordinary page needs no wait, and neither does a page that is larger than an
// ordinary one.
func TestLargeBodiesOfManyHandles(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]struct{ size, mark, most int }{
		"beyond the second half": {7 << 20, bulkhead.Medium, 3},
		"beyond small":           {2 << 20, freeBody, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory, g := bulkhead.NewMemory(48<<20), &gauge{}
				limits := func(owner string) func(*Config) {
					return func(c *Config) { c.Memory, c.Owner, c.MaxBody = memory, owner, 8<<20 }
				}
				var all sync.WaitGroup
				var mu sync.Mutex
				outcomes := map[string]int{}
				for i := range 44 {
					a := wired(t, wire{answer: func(r *http.Request) (*http.Response, error) {
						resp := reply(200, "")
						resp.Body = &flow{r: r, n: attack.size, mark: attack.mark, gauge: g}
						return resp, nil
					}}, limits(fmt.Sprint("mallory", i%11)))
					all.Go(func() {
						_, err := a.Page(t.Context(), Query{}, 1)
						mu.Lock()
						defer mu.Unlock()
						switch {
						case errors.Is(err, ErrBusy):
							outcomes["busy"]++
						case errors.Is(err, ErrNotHalo): // the body is not JSON
							outcomes["read"]++
						default:
							t.Errorf("error %v", err)
						}
					})
				}
				time.Sleep(500 * time.Millisecond) // virtual: the attack is at its peak
				for _, size := range []int{100 << 10, freeBody - 100} {
					began := time.Now()
					good := wired(t, wire{answer: func(*http.Request) (*http.Response, error) {
						return reply(200, `{"record_count":1,"clients":[{"id":1,"logo":"`+strings.Repeat("A", size)+`"}]}`), nil
					}}, limits("acme"))
					if _, err := good.Page(t.Context(), Query{}, 1); err != nil || time.Since(began) > 0 {
						t.Errorf("a neighbour's page of %d bytes after %v: %v", size, time.Since(began), err)
					}
				}
				all.Wait()
				if g.peak < 2 || g.peak > attack.most {
					t.Errorf("%d bodies at once, want at most %d", g.peak, attack.most)
				}
				if outcomes["read"] < 5 || outcomes["busy"] == 0 || outcomes["read"]+outcomes["busy"] != 44 {
					t.Errorf("outcomes %v", outcomes)
				}
				for _, b := range memory.Bulkheads() {
					if s := b.Stats(); s.Used != 0 {
						t.Errorf("after the attack: %+v", s)
					}
				}
			})
		})
	}
}

// A server that has made an attempt reserve memory and then sends one byte a second loses
// the memory after a few seconds.
func TestSlowLargeBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := bulkhead.NewMemory(bulkhead.DefaultMemory)
		for _, c := range []struct {
			before int
			limit  time.Duration
		}{{freeBody + 1, mediumTimeout}, {bulkhead.Medium + 1, largeTimeout}} {
			a := wired(t, wire{answer: func(r *http.Request) (*http.Response, error) {
				resp := reply(200, "")
				resp.Body = io.NopCloser(&drip{r: r, before: c.before})
				return resp, nil
			}}, func(c *Config) { c.Memory = memory })
			began := time.Now()
			_, err := a.Page(t.Context(), Query{}, 1)
			if took := time.Since(began); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "did not arrive in time") || took < c.limit || took > c.limit+time.Second {
				t.Errorf("%d bytes, then slow: %v after %v", c.before, err, took)
			}
		}
		for _, b := range memory.Bulkheads() {
			if b.Stats().Used != 0 {
				t.Errorf("not given back: %+v", b.Stats())
			}
		}
	})
}

// drip is an endless body that becomes slow after some bytes.
type drip struct {
	r      *http.Request
	before int
	read   int
}

func (d *drip) Read(p []byte) (int, error) {
	if d.read >= d.before {
		select {
		case <-time.After(time.Second):
			p = p[:1]
		case <-d.r.Context().Done():
			return 0, d.r.Context().Err()
		}
	}
	for i := range p {
		p[i] = ' '
	}
	d.read += len(p)
	return len(p), nil
}

// The texts of a page are bounded, whatever its number of rows.
func TestPageTextIsBounded(t *testing.T) {
	t.Parallel()
	page := func(rows, name int) string {
		var b strings.Builder
		b.WriteString(`{"clients":[`)
		for i := range rows {
			fmt.Fprintf(&b, `{"id":%d,"name":"%s"},`, i+1, strings.Repeat("n", name))
		}
		return strings.TrimSuffix(b.String(), ",") + `]}`
	}
	if _, err := decodeListing([]byte(page(6000, 900))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("6,000 long names: %v", err)
	}
	if l, err := decodeListing([]byte(page(10_000, 100))); err != nil || l.rows != 10_000 || l.bytes != 10_000*(rowBytes+100) {
		t.Errorf("10,000 ordinary names: %d rows, %d bytes, %v", l.rows, l.bytes, err)
	}
}

// Reading ahead stops while large pages wait for the caller.
func TestReadaheadStopsAtBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		r := &readahead{window: 4, next: 1, fetch: func(int) (listing, error) {
			fetched.Add(1)
			return listing{rows: 100, bytes: 3 << 20}, nil
		}}
		if _, err := r.take(); err != nil {
			t.Fatal(err)
		}
		r.fill(20)
		synctest.Wait()
		if n := fetched.Load(); n > 3 { // the page that was taken, and two that wait
			t.Errorf("%d pages fetched", n)
		}
		r.wait()
	})
}
