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

// slow fetches pages in virtual time and records the order of the requests.
type slow struct {
	mu      sync.Mutex
	asked   []int
	now, up int // fetches in flight, and their maximum
	delay   func(number int) time.Duration
	rows    int // rows on each page; 0: the number of the page
	bad     int // the page that fails
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
	if number == s.bad {
		return listing{}, errors.New("unlucky")
	}
	if s.rows > 0 {
		number = s.rows
	}
	return listing{rows: number}, nil
}

func TestReadaheadKeepsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// In each group of four pages, later pages arrive sooner.
		s := &slow{bad: 13, delay: func(n int) time.Duration { return time.Duration(4-n%4) * time.Second }}
		r := &readahead{fetch: s.fetch, window: 4, next: 1}
		for want := 1; want <= 12; want++ {
			l, err := r.take()
			if err != nil || l.rows != want {
				t.Fatalf("page %d, error %v; want page %d", l.rows, err, want)
			}
			r.fill(20)
		}
		if _, err := r.take(); err == nil {
			t.Error("page 13 returned no error")
		}
		r.wait()
		if s.up != 4 {
			t.Errorf("%d requests at once, want 4", s.up)
		}
	})
}

// While the caller works on a page, reading ahead continues up to its bound.
func TestReadaheadGoesOnMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{delay: func(int) time.Duration { return time.Second }, rows: 100}
		r := &readahead{fetch: s.fetch, window: 4, next: 1}
		ask := func() {
			if _, err := r.take(); err != nil {
				t.Error(err)
			}
			r.fill(1000)
		}
		ask()
		if pages, ready := r.ahead(); pages != 4 || ready {
			t.Errorf("%d pages ahead, ready %t; want 4 in flight", pages, ready)
		}
		time.Sleep(time.Minute)

		if pages, ready := r.ahead(); !ready || pages*100 < aheadRows || pages*100 >= aheadRows+4*100 {
			t.Errorf("%d pages ahead, ready %t; want at least %d rows, and at most 3 more pages", pages, ready, aheadRows)
		}
		waiting, _ := r.ahead()
		r.fill(0)
		for range waiting {
			if _, ready := r.ahead(); !ready {
				t.Error("a page is not ready")
			}
			if _, err := r.take(); err != nil {
				t.Error(err)
			}
		}
		if pages, ready := r.ahead(); pages != 0 || ready {
			t.Errorf("%d pages ahead, ready %t; want none after the end", pages, ready)
		}
		r.wait()
	})
}

// Reading ahead is also bounded in pages, because a server may send tiny pages.
func TestReadaheadBoundsPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{delay: func(int) time.Duration { return time.Second }, rows: 1}
		r := &readahead{fetch: s.fetch, window: 4, next: 1}
		r.fill(1000)
		time.Sleep(time.Hour)
		if pages, ready := r.ahead(); pages != aheadPages || !ready {
			t.Errorf("%d pages ahead, ready %t; want %d", pages, ready, aheadPages)
		}
		r.wait()
	})
}

// A failed page is not ready, because taking it returns an error. No page after
// it is fetched.
func TestReadaheadEndsAtFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{bad: 13, delay: func(n int) time.Duration { return time.Duration(n%13) * time.Second }}
		r := &readahead{fetch: s.fetch, window: 4, next: 12}
		if _, err := r.take(); err != nil {
			t.Fatal(err)
		}
		r.fill(20)
		r.running.Wait()
		if pages, ready := r.ahead(); pages != 4 || ready {
			t.Errorf("%d pages ahead, ready %t; want 4, the first of them not ready", pages, ready)
		}
		if got := slices.Max(s.asked); got != 16 {
			t.Errorf("fetched page %d, although 13 had failed; want at most 16", got)
		}
		r.wait()
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
		want := [][]int{{1, 2, 3, 4}, {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}}
		if diff := cmp.Diff(want, steps); diff != "" {
			t.Errorf("pages fetched after each one taken (-want +got):\n%s", diff)
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
		t.Errorf("fetched (-want +got):\n%s", diff)
	}
}

// A caller that breaks out of the loop waits until all requests in flight have ended.
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
		<-r.Context().Done() // the server never answers
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

// Several requests are in flight while the caller works on a page.
func TestPagesReadsAhead(t *testing.T) {
	t.Parallel()
	w := newClientList(1000)
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
		<-enough // hangs if no pages are fetched while the caller works on page 1
		break
	}
}
