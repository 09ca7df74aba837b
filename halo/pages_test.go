package halo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignoreSeen also ignores the fields that depend on timing.
var ignoreSeen = cmp.Options{cmpopts.IgnoreFields(Cursor{}, "Seen"), cmpopts.IgnoreFields(Page{}, "Ahead", "Ready")}

func TestPagesReadsEverything(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		change   func(*clientList)
		n        int
		query    Query
		ended    string
		lastRows int
		requests int
	}{
		{"none", nil, 0, Query{}, EndedEmpty, 0, 1},
		{"one page", nil, 7, Query{}, EndedCount, 7, 1},
		{"few", nil, 9, Query{}, EndedCount, 9, 1},
		{"exactly one page", nil, 100, Query{}, EndedCount, 100, 2},
		{"exactly three pages", nil, 300, Query{}, EndedCount, 100, 4},
		{"many pages", nil, 1234, Query{}, EndedCount, 34, 13},
		{"tail", nil, 1234, Query{VerifyTail: true}, EndedCount, 34, 15},
		{"tail of one page", nil, 34, Query{VerifyTail: true}, EndedCount, 34, 2},
		{"no reading ahead", nil, 1234, Query{Window: 1}, EndedCount, 34, 13},
		{"wide window", nil, 1234, Query{Window: 16}, EndedCount, 34, 13},
		{"small pages", nil, 25, Query{PageSize: 10}, EndedCount, 5, 3},
		{"fewer rows than asked for", func(w *clientList) { w.maxRows = 30 }, 250, Query{}, EndedCount, 10, 9},
		{"no count, empty page at the end", func(w *clientList) { w.count = func(*clientList) any { return nil } }, 250, Query{VerifyTail: true}, EndedEmpty, 0, 4},
		{"no count, last page again", func(w *clientList) {
			w.count = func(*clientList) any { return nil }
			w.pastEnd = func(w *clientList, _ int) []int64 { return w.ids[200:] }
		}, 250, Query{}, EndedRepeat, 50, 4},
		{"no count, first page again", func(w *clientList) {
			w.count = func(*clientList) any { return nil }
			w.pastEnd = func(w *clientList, size int) []int64 { return w.ids[:size] }
		}, 250, Query{}, EndedRepeat, 100, 4},
		{"count too high", func(w *clientList) { w.count = func(w *clientList) any { return len(w.ids) + 1 } }, 250, Query{}, EndedEmpty, 0, 4},
		{"count below a page", func(w *clientList) { w.count = func(*clientList) any { return 3 } }, 250, Query{}, EndedEmpty, 0, 4},
		{"count of page 1", func(w *clientList) { w.count = func(*clientList) any { return 100 } }, 250, Query{VerifyTail: true}, EndedEmpty, 0, 5},
		{"count of two full pages", func(w *clientList) { w.count = func(*clientList) any { return 200 } }, 250, Query{}, EndedEmpty, 0, 5},
		{"count of a part", func(w *clientList) { w.count = func(*clientList) any { return 170 } }, 250, Query{VerifyTail: true}, EndedEmpty, 0, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newClientList(tt.n)
			if tt.change != nil {
				tt.change(w)
			}
			a := newStub(t, w.ServeHTTP).api(t)
			pages, err := readAll(t.Context(), a, tt.query, Cursor{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w.ids, idsOf(pages), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			for i, p := range pages {
				if p.Number != i+1 || p.Last != (i == len(pages)-1) {
					t.Errorf("page %d has number %d, last %t", i+1, p.Number, p.Last)
				}
			}
			last := pages[len(pages)-1]
			cert := last.Cursor.Certificate
			if cert.Ended != tt.ended || last.Rows != tt.lastRows || !last.Cursor.Done {
				t.Errorf("ended by %q with %d rows, done %t; want %q with %d", cert.Ended, last.Rows, last.Cursor.Done, tt.ended, tt.lastRows)
			}
			if cert.Distinct != tt.n || !cert.Ascending || cert.Pages != len(pages) {
				t.Errorf("certificate %+v", cert)
			}
			if got := len(w.pages()); got != tt.requests {
				t.Errorf("%d requests, want %d: %v", got, tt.requests, w.pages())
			}
		})
	}
}

// A Halo that sends page 1 for every number must not look complete.
func TestPagesNoticesThatPagingIsIgnored(t *testing.T) {
	t.Parallel()
	w := newClientList(100)
	s := newStub(t, func(rw http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "page_no=1&page_size=100"
		w.ServeHTTP(rw, r)
	})
	pages, err := readAll(t.Context(), s.api(t), Query{}, Cursor{})
	if err != nil || len(pages) != 1 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	if c := pages[0].Cursor.Certificate; !c.Unpaged || c.Ended != EndedCount {
		t.Errorf("certificate %+v", c)
	}
}

// A client that appears right after the only page was read is not lost.
func TestPagesContinuesAfterAnAddition(t *testing.T) {
	t.Parallel()
	w := newClientList(34)
	w.before = func(l *clientList, _, nth int) {
		if nth == 2 {
			l.appendID(6000)
		}
	}
	pages, err := readAll(t.Context(), newStub(t, w.ServeHTTP).api(t), Query{VerifyTail: true}, Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	if c := pages[len(pages)-1].Cursor.Certificate; c.Distinct >= c.RecordLast || c.TailID != 0 {
		t.Errorf("looks complete: %+v", c)
	}
}

// The request that proves the end of the list may fail. The page is then read again.
func TestPagesEndError(t *testing.T) {
	t.Parallel()
	w := newClientList(300)
	s := newStub(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page_no") == "4" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		w.ServeHTTP(rw, r)
	})
	pages, err := readAll(t.Context(), s.api(t), Query{}, Cursor{})
	if !errors.Is(err, ErrForbidden) || len(pages) != 2 || pages[1].Cursor.NextPage != 3 {
		t.Errorf("%d pages, error %v", len(pages), err)
	}
}

// A caller that wants to stop still gets the pages in flight, so that no request
// is wasted.
func TestPagesStopReadingAhead(t *testing.T) {
	t.Parallel()
	w := newClientList(3_000)
	a := newStub(t, w.ServeHTTP).api(t)
	leaving := false
	last := Page{}
	for page, err := range a.Pages(t.Context(), Query{Stop: func() bool { return leaving }}, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		if last = page; page.Number >= 5 {
			leaving = true
		}
		if leaving && page.Ahead == 0 {
			break
		}
	}
	if last.Number < 5+defaultWindow || last.Last {
		t.Errorf("stopped at page %d, last %t", last.Number, last.Last)
	}
	if n := len(w.pages()); n != last.Number {
		t.Errorf("%d requests for %d pages", n, last.Number)
	}
	rest, err := readAll(t.Context(), a, Query{}, last.Cursor) // page 30 is full, so page 31 is requested, too
	if err != nil || len(w.pages()) != 31 || rest[0].Number != last.Number+1 {
		t.Errorf("resumed: %d requests, %v", len(w.pages()), err)
	}
}

func TestPagesCanBeRangedOverAgain(t *testing.T) {
	t.Parallel()
	a := newStub(t, newClientList(350).ServeHTTP).api(t)
	first, err := readAll(t.Context(), a, Query{}, Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	// Resume from the middle with a rebuilt set, because the pass has added
	// later ids to its own set.
	resume := first[1].Cursor
	resume.Seen = &IDSet{}
	for _, id := range idsOf(first[:2]) {
		resume.Seen.Add(id)
	}
	seq := a.Pages(t.Context(), Query{}, resume)
	for round := range 2 {
		var got []Page
		for page, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page)
		}
		if diff := cmp.Diff(first[2:], got, ignoreSeen); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", round, diff)
		}
	}
	if resume.Seen.Len() != 200 {
		t.Errorf("the caller's set grew to %d ids", resume.Seen.Len())
	}
}

func TestPagesResumesFromStoredCursor(t *testing.T) {
	t.Parallel()
	w := newClientList(1000)
	a := newStub(t, w.ServeHTTP).api(t)
	q := Query{VerifyTail: true, Search: "x", IncludeInactive: true}
	whole, err := readAll(t.Context(), a, q, Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	// The reader crashes after each page.
	var stored []byte
	var got []Page
	for {
		var from Cursor
		if stored != nil {
			if err := json.Unmarshal(stored, &from); err != nil {
				t.Fatal(err)
			}
			from.Seen = &IDSet{}
			for _, id := range idsOf(got) {
				from.Seen.Add(id)
			}
		}
		if from.Done {
			break
		}
		for page, err := range a.Pages(t.Context(), q, from) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page)
			if stored, err = json.Marshal(page.Cursor); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if diff := cmp.Diff(whole, got, ignoreSeen); diff != "" {
		t.Errorf("whole pass and resumed pass differ (-whole +resumed):\n%s", diff)
	}
	if pages, err := readAll(t.Context(), a, q, got[len(got)-1].Cursor); err != nil || len(pages) > 0 {
		t.Errorf("a cursor that is done yields %d pages, error %v", len(pages), err)
	}
}

// Ids that were not restored must not make a pass look more complete than it is.
func TestPagesWithoutRestoredIDsLooksIncomplete(t *testing.T) {
	t.Parallel()
	a := newStub(t, newClientList(350).ServeHTTP).api(t)
	whole, err := readAll(t.Context(), a, Query{}, Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	from := whole[1].Cursor
	from.Seen = nil
	rest, err := readAll(t.Context(), a, Query{}, from)
	if err != nil {
		t.Fatal(err)
	}
	if cert := rest[len(rest)-1].Cursor.Certificate; cert.Distinct >= cert.RecordLast {
		t.Errorf("%d distinct ids of %d", cert.Distinct, cert.RecordLast)
	}
}

func TestPagesYieldsErrorLast(t *testing.T) {
	t.Parallel()
	w := newClientList(1000)
	s := newStub(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page_no") == "4" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		w.ServeHTTP(rw, r)
	})
	pages, err := readAll(t.Context(), s.api(t), Query{}, Cursor{})
	if !errors.Is(err, ErrForbidden) || len(pages) != 3 {
		t.Fatalf("%d pages, error %v; want 3 and ErrForbidden", len(pages), err)
	}
	if want := "list clients page 4: status 403"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if next := pages[2].Cursor.NextPage; next != 4 {
		t.Errorf("resumes at page %d, want 4", next)
	}
}

func TestPagesTailError(t *testing.T) {
	t.Parallel()
	w := newClientList(1000)
	s := newStub(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page_no") == "10" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		w.ServeHTTP(rw, r)
	})
	pages, err := readAll(t.Context(), s.api(t), Query{VerifyTail: true}, Cursor{})
	if !errors.Is(err, ErrForbidden) || len(pages) != 0 {
		t.Errorf("%d pages, error %v; want none, since the pass must start again", len(pages), err)
	}
}

func TestPagesRefusesWrongArguments(t *testing.T) {
	t.Parallel()
	a := newStub(t, func(http.ResponseWriter, *http.Request) { t.Error("request sent") }).api(t)
	for name, tt := range map[string]struct {
		query Query
		from  Cursor
	}{
		"page size":       {Query{PageSize: 101}, Cursor{}},
		"negative window": {Query{Window: -1}, Cursor{}},
		"other search":    {Query{Search: "b"}, Cursor{NextPage: 2, Certificate: Certificate{Pages: 1, Search: "a"}}},
		"other page size": {Query{PageSize: 50}, Cursor{NextPage: 2, PageSize: 100}},
		"too many pages":  {Query{}, Cursor{NextPage: maxPages + 1}},
	} {
		pages, err := readAll(t.Context(), a, tt.query, tt.from)
		if err == nil || len(pages) != 0 {
			t.Errorf("%s: %d pages, error %v", name, len(pages), err)
		}
	}
}

func TestPagesStopsWithItsContext(t *testing.T) {
	t.Parallel()
	a := newStub(t, newClientList(1000).ServeHTTP).api(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got int
	var last error
	for _, err := range a.Pages(ctx, Query{}, Cursor{}) {
		if last = err; err != nil {
			break
		}
		got++
		cancel()
	}
	if got != 1 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d pages, error %v; want 1 and context.Canceled", got, last)
	}
}

// A pass that resumes at a short page remembers how full a page can be.
func TestResumedPassKnowsWhereTheListEnds(t *testing.T) {
	t.Parallel()
	p, err := newPass(Query{}, Cursor{NextPage: 3, Certificate: Certificate{Pages: 2, Rows: 200, RecordLast: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	p.admit(listing{clients: []Client{{ID: 9000}}, rows: 1, count: 1000})
	if got := p.lastPage(); got != 10 {
		t.Errorf("ends on page %d, want 10", got)
	}
}

// A list of one page is its own tail.
func TestTailOfOnePage(t *testing.T) {
	t.Parallel()
	a := newStub(t, newClientList(34).ServeHTTP).api(t)
	for _, verify := range []bool{true, false} {
		pages, err := readAll(t.Context(), a, Query{VerifyTail: verify}, Cursor{})
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		if verify {
			want = 340
		}
		if got := pages[0].Cursor.Certificate.TailID; len(pages) != 1 || got != want {
			t.Errorf("verify %t: %d pages, tail id %d, want %d", verify, len(pages), got, want)
		}
	}
}

// BenchmarkPages reads 100,000 clients without a network. It measures decoding,
// de-duplication and reading ahead.
func BenchmarkPages(b *testing.B) {
	w := newClientList(100_000)
	bodies := make([]string, 1001)
	for page := 1; page <= 1000; page++ {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/?page_size=100&page_no=%d", page), nil))
		bodies[page] = rec.Body.String()
	}
	a := wired(b, wire{answer: func(r *http.Request) (*http.Response, error) {
		page, err := strconv.Atoi(r.URL.Query().Get("page_no"))
		return reply(200, bodies[page]), err
	}})
	b.ReportAllocs()
	for b.Loop() {
		pages, err := readAll(b.Context(), a, Query{}, Cursor{})
		if err != nil || len(pages) != 1000 {
			b.Fatalf("%d pages, error %v", len(pages), err)
		}
	}
}
