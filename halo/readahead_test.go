package halo

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// slow fetches pages in virtual time and notes when each was asked for.
type slow struct {
	mu      sync.Mutex
	asked   []int
	now, up int // in flight, and the most there ever were
	delay   func(number int) time.Duration
}

func (s *slow) fetch(number int) (listing, error) {
	s.mu.Lock()
	s.asked = append(s.asked, number)
	s.now++
	s.up = max(s.up, s.now)
	s.mu.Unlock()
	time.Sleep(s.delay(number))
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	if number == 13 {
		return listing{}, errors.New("unlucky")
	}
	return listing{rows: number}, nil
}

func TestReadaheadKeepsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The later a page of four, the sooner it is there.
		s := &slow{delay: func(n int) time.Duration { return time.Duration(4-n%4) * time.Second }}
		r := &readahead{fetch: s.fetch, window: 4, next: 1}
		for want := 1; want <= 12; want++ {
			l, err := r.take()
			if err != nil || l.rows != want {
				t.Fatalf("page %d, error %v; want page %d", l.rows, err, want)
			}
			r.fill(20)
		}
		if _, err := r.take(); err == nil {
			t.Error("page 13 without its error")
		}
		r.wait()
		if s.up != 3 {
			t.Errorf("%d requests at once, want 3 beside the page in hand", s.up)
		}
		if got := slices.Max(s.asked); got != 15 {
			t.Errorf("read ahead up to page %d, want 15", got)
		}
	})
}

func TestReadaheadAsksForLastPageAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{delay: func(int) time.Duration { return time.Second }}
		r := &readahead{fetch: s.fetch, window: 8, next: 1}
		var steps [][]int
		for range 5 {
			if _, err := r.take(); err != nil {
				t.Fatal(err)
			}
			r.fill(5)
			synctest.Wait()
			asked := slices.Sorted(slices.Values(s.asked))
			steps = append(steps, asked)
		}
		r.wait()
		want := [][]int{{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}}
		if diff := cmp.Diff(want, steps); diff != "" {
			t.Errorf("pages asked for after each one taken (-want +got):\n%s", diff)
		}
	})
}

func TestReadaheadWindowOfOne(t *testing.T) {
	t.Parallel()
	s := &slow{delay: func(int) time.Duration { return 0 }}
	r := &readahead{fetch: s.fetch, window: 1, next: 3}
	if _, err := r.take(); err != nil {
		t.Fatal(err)
	}
	r.fill(100)
	r.wait()
	if diff := cmp.Diff([]int{3}, s.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// Leaving the loop ends what is in flight, before the loop is left.
func TestBreakEndsReadingAhead(t *testing.T) {
	t.Parallel()
	var flying atomic.Int32
	reached := make(chan struct{}, 16)
	a := wired(t, wire{answer: func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.RawQuery, "page_no=1&") {
			return reply(200, `{"record_count":100,"clients":[{"id":1}]}`), nil
		}
		flying.Add(1)
		defer flying.Add(-1)
		reached <- struct{}{}
		<-r.Context().Done() // a server that never answers
		return nil, r.Context().Err()
	}})
	for _, err := range a.Pages(t.Context(), Query{}, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			<-reached
		}
		break
	}
	if n := flying.Load(); n != 0 {
		t.Errorf("%d requests still in flight", n)
	}
}

// Several requests are on their way while a page is being worked on.
func TestPagesReadsAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(1000)
	var asked atomic.Int32
	enough := make(chan struct{})
	s := newStub(t, func(rw http.ResponseWriter, r *http.Request) {
		w.ServeHTTP(rw, r)
		if asked.Add(1) == 4 {
			close(enough)
		}
	})
	for _, err := range s.api(t).Pages(t.Context(), Query{Window: 4}, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		<-enough // hangs if nothing is asked for while page 1 is in hand
		break
	}
}
