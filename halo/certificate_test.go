package halo

import (
	stdcmp "cmp"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// deletions returns the number of deletions that a certificate reveals; see the
// package comment.
func deletions(c Certificate) int { return c.RecordFirst + c.Additions - c.RecordLast }

func TestCertificateShowsChanges(t *testing.T) {
	t.Parallel()
	// Unless a case says otherwise, there are 500 clients with ids 10 to 5000
	// on five pages. With VerifyTail, page 5 is requested second.
	tests := []struct {
		name      string
		n         int // default 500
		before    func(w *clientList, page, nth int)
		missed    []int64
		drops     int
		additions int
		deletions int
		unordered bool
	}{
		{name: "nothing happens", before: func(*clientList, int, int) {}},
		{
			name: "one deleted: the client that moves across the page boundary is missed",
			before: func(w *clientList, page, nth int) {
				if page == 3 {
					w.remove(0)
				}
			},
			missed: []int64{2010}, drops: 1, deletions: 1,
		},
		{
			name: "one deleted and one added: the count stays",
			before: func(w *clientList, page, nth int) {
				if page == 3 {
					w.remove(0)
					w.appendID(6000)
				}
			},
			missed: []int64{2010}, additions: 1, deletions: 1,
		},
		{
			name: "one deleted and one added before the last page",
			before: func(w *clientList, page, nth int) {
				if page == 5 && nth > 2 {
					w.remove(0)
					w.appendID(6000)
				}
			},
			missed: []int64{4010}, additions: 1, deletions: 1,
		},
		{
			name: "one added",
			before: func(w *clientList, page, nth int) {
				if page == 3 {
					w.appendID(6000)
				}
			},
			additions: 1,
		},
		{
			name: "one added after the first page, before the tail",
			before: func(w *clientList, page, nth int) {
				if nth == 2 {
					w.appendID(6000)
				}
			},
			additions: 1,
		},
		{
			name: "one added before the tail, with room on the last page", n: 450,
			before: func(w *clientList, page, nth int) {
				if nth == 2 {
					w.appendID(6000)
				}
			},
			deletions: -1, // suggests that the list changed, but not that a client was missed
		},
		{
			name: "restored in the middle",
			before: func(w *clientList, page, nth int) {
				if page == 3 {
					w.ids = append(w.ids[:50:50], append([]int64{505}, w.ids[50:]...)...)
				}
			},
			missed: []int64{505}, deletions: -1,
		},
		{
			name: "sorted by something else",
			before: func(w *clientList, page, nth int) {
				if nth == 1 {
					w.ids[0], w.ids[450] = w.ids[450], w.ids[0]
				}
			},
			unordered: true,
			additions: 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newClientList(stdcmp.Or(tt.n, 500))
			w.before = tt.before
			a := newStub(t, w.ServeHTTP).api(t)
			pages, err := readAll(t.Context(), a, Query{VerifyTail: true, Window: 1}, Cursor{})
			if err != nil {
				t.Fatal(err)
			}
			last := pages[len(pages)-1].Cursor
			var missed []int64
			for _, id := range w.ids {
				if !last.Seen.Has(id) {
					missed = append(missed, id)
				}
			}
			if diff := cmp.Diff(tt.missed, missed); diff != "" {
				t.Errorf("missed (-want +got):\n%s", diff)
			}
			c := last.Certificate
			got := []int{c.Drops, c.Additions, deletions(c)}
			if diff := cmp.Diff([]int{tt.drops, tt.additions, tt.deletions}, got); diff != "" {
				t.Errorf("drops, additions, deletions (-want +got):\n%s\n%+v", diff, c)
			}
			if c.Ascending == tt.unordered {
				t.Errorf("ascending %t", c.Ascending)
			}
		})
	}
}

// When pages are read ahead, answers do not arrive in page order. The last page still
// arrives last, so an addition does not hide a deletion near the end of the list.
func TestReadingAheadHidesNothing(t *testing.T) {
	t.Parallel()
	for at := 3; at <= 7; at++ {
		w := newClientList(500)
		w.before = func(w *clientList, _, nth int) {
			if nth == at {
				w.remove(0)
				w.appendID(6000)
			}
		}
		a := newStub(t, w.ServeHTTP).api(t)
		pages, err := readAll(t.Context(), a, Query{VerifyTail: true, Window: 8}, Cursor{})
		if err != nil {
			t.Fatal(err)
		}
		last := pages[len(pages)-1].Cursor
		missed := 0
		for _, id := range w.ids {
			if !last.Seen.Has(id) {
				missed++
			}
		}
		if c := last.Certificate; missed > 0 && deletions(c) <= 0 && c.Drops == 0 && c.Distinct >= c.RecordLast {
			t.Errorf("change before request %d: %d missed clients were not detected: %+v", at, missed, c)
		}
	}
}

func TestCertificateCounts(t *testing.T) {
	t.Parallel()
	p, err := newPass(Query{}, Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	page := func(rows, malformed, count int, ids ...int64) {
		l := listing{rows: rows, malformed: malformed, count: count}
		for _, id := range ids {
			l.clients = append(l.clients, Client{ID: id})
		}
		p.admit(l)
	}
	page(3, 0, 9, 1, 2, 3)
	page(4, 1, 8, 3, 4, 5)      // one row without an id, one repeated row
	page(2, 0, unknownCount, 6) // the same id twice
	page(1, 0, 10, 5)           // no new id
	want := Certificate{
		Pages: 4, Rows: 10, Distinct: 6, Sum: p.cur.Certificate.Sum, Duplicates: 3, Malformed: 1,
		RecordFirst: 9, RecordLast: 10, RecordMin: 8, RecordMax: 10, Drops: 1,
		Ascending: true, LastID: 6, Ended: EndedRepeat,
	}
	if diff := cmp.Diff(want, p.cur.Certificate); diff != "" {
		t.Errorf("certificate (-want +got):\n%s", diff)
	}
}

// The checksum does not depend on the order of the ids. It differs for different sets
// of the same size, even if the ids are consecutive.
func TestCertificateSum(t *testing.T) {
	t.Parallel()
	sum := func(ids ...int64) uint64 {
		c := newCertificate(Query{})
		for _, id := range ids {
			c.observeNew(id)
		}
		return c.Sum
	}
	if sum(1, 2, 3) != sum(3, 1, 2) || sum(1, 4) == sum(2, 3) || sum(1) == sum(2) || sum(10, 20, 30) == sum(10, 25, 25) {
		t.Error("different sets have the same sum")
	}
}

// The count of 0 on a page past the end refers to that page only.
func TestCertificateIgnoresCountPastTheEnd(t *testing.T) {
	t.Parallel()
	p, err := newPass(Query{}, Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	p.admit(listing{clients: []Client{{ID: 1}}, rows: 1, count: 2})
	p.admit(listing{count: 0})
	if c := p.cur.Certificate; c.RecordLast != 2 || c.Drops != 0 || c.Ended != EndedEmpty {
		t.Errorf("certificate %+v", c)
	}
}

func ExampleCertificate() {
	// A client was deleted and another added between two pages: the count is
	// the same, but the greatest id is not.
	c := Certificate{RecordFirst: 300, RecordLast: 300, Additions: 1}
	fmt.Println("deletions:", c.RecordFirst+c.Additions-c.RecordLast)
	// Output: deletions: 1
}
