package halotest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTenantState(t *testing.T) {
	t.Parallel()
	c := newClock()
	h := New(WithClock(c.Now))
	x := h.Tenant("x")
	if x.Name() != "x" || h.Tenant("x") != x {
		t.Error("a second call returns another tenant")
	}
	ids := x.Add(Client{Name: "one"}, Client{ID: 5, Name: "five", MainSiteID: -1}, Client{Name: "six", MainSiteID: 99}, Client{ID: 3, Name: "three", Inactive: true})
	if d := cmp.Diff([]int64{1, 5, 6, 3}, ids); d != "" {
		t.Error(d)
	}
	changed := []bool{
		x.Rename(1, "uno"), x.Rename(2, "nobody"), x.Deactivate(5), x.Deactivate(7), x.Activate(3), x.Activate(7),
		x.Delete(6), x.Delete(6), x.Update(3, func(c *Client) { c.ID, c.Ref = 77, "r" }),
	}
	if d := cmp.Diff([]bool{true, false, true, false, true, false, true, false, true}, changed); d != "" {
		t.Error(d)
	}
	want := []Client{
		{ID: 1, Name: "uno", MainSiteID: 18, Updated: c.Now()},
		{ID: 3, Name: "three", MainSiteID: 20, Ref: "r", Updated: c.Now()},
		{ID: 5, Name: "five", MainSiteID: -1, Inactive: true, Updated: c.Now()},
	}
	if d := cmp.Diff(want, x.Clients()); d != "" {
		t.Error(d)
	}
	x.Add(Client{ID: 3, Name: "replaced"})
	if got, ok := x.Get(3); !ok || got.Name != "replaced" || got.Ref != "" {
		t.Errorf("got %+v", got)
	}
	if x.Len() != 3 || !cmp.Equal(x.IDs(), []int64{1, 3, 5}) {
		t.Errorf("ids %v", x.IDs())
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	c := newClock()
	x := New(WithClock(c.Now)).Tenant("")
	x.Add(Client{ID: 1, Name: "a"}, Client{ID: 2, Name: "b"})
	for _, pair := range [][2]int64{{1, 1}, {1, 9}, {9, 1}} {
		if x.Merge(pair[0], pair[1]) || x.Len() != 2 {
			t.Errorf("merged %v", pair)
		}
	}
	c.Advance(time.Second)
	if !x.Merge(1, 2) {
		t.Fatal("not merged")
	}
	if _, ok := x.Get(1); ok {
		t.Error("the merged client is still there")
	}
	if into, _ := x.Get(2); into.Name != "b" || !into.Updated.Equal(c.Now()) {
		t.Errorf("got %+v", into)
	}
}

// Get returns a copy.
func TestStateIsNotShared(t *testing.T) {
	t.Parallel()
	x := New().Tenant("")
	fields := []CustomField{{ID: 1}}
	x.Add(Client{ID: 1, CustomFields: fields})
	fields[0].ID = 2
	got, _ := x.Get(1)
	got.CustomFields[0].ID = 3
	x.Clients()[0].CustomFields[0].ID = 4
	x.Update(1, func(*Client) {})
	if got, _ := x.Get(1); got.CustomFields[0].ID != 1 {
		t.Errorf("got field %d", got.CustomFields[0].ID)
	}
}

// If the list changes between two pages, rows are skipped or appear twice, as
// with any offset paging.
func TestChangeBetweenPages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		query  string
		change func(*Tenant)
		want   [][]int64
		counts []int
	}{
		{"nothing", "order=id", func(*Tenant) {}, [][]int64{{1, 2, 3}, {4, 5, 6}, {7, 8}}, []int{8, 8, 8}},
		{"delete: 4 is skipped", "order=id", func(x *Tenant) { x.Delete(2) }, [][]int64{{1, 2, 3}, {5, 6, 7}, {8}}, []int{8, 7, 7}},
		{"deactivate: 4 is skipped", "order=id", func(x *Tenant) { x.Deactivate(2) }, [][]int64{{1, 2, 3}, {5, 6, 7}, {8}}, []int{8, 7, 7}},
		{"merge: 4 is skipped", "order=id", func(x *Tenant) { x.Merge(1, 8) }, [][]int64{{1, 2, 3}, {5, 6, 7}, {8}}, []int{8, 7, 7}},
		{
			"delete and add: the count hides it", "order=id", func(x *Tenant) { x.Delete(2); x.Add(Client{ID: 9}) },
			[][]int64{{1, 2, 3}, {5, 6, 7}, {8, 9}}, []int{8, 8, 8},
		},
		{"activate: 3 appears twice", "order=id", func(x *Tenant) { x.Activate(-1) }, [][]int64{{1, 2, 3}, {3, 4, 5}, {6, 7, 8}}, []int{8, 9, 9}},
		{"rename by name: 5 is skipped", "order=name", func(x *Tenant) { x.Rename(7, "zz") }, [][]int64{{8, 7, 6}, {4, 3, 2}, {1, 7}}, []int{8, 8, 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, WithProfile(Profile{PastEnd: PastEndEmpty}))
			r.fill(8)
			r.tenant.Add(Client{ID: -1, Name: "hidden", Inactive: true})
			var events []PageEvent
			r.AfterPage(func(e PageEvent) {
				events = append(events, e)
				if e.Nth == 1 {
					tt.change(e.Tenant)
				}
			})
			if tt.name[:3] == "act" { // an inactive client that precedes all others becomes active
				tt.want[1], tt.want[2] = []int64{3, 4, 5}, []int64{6, 7, 8}
			}
			var got [][]int64
			var counts []int
			for n := 1; n <= 3; n++ {
				l := r.list(fmt.Sprintf("pageinate=true&page_size=3&page_no=%d&%s", n, tt.query))
				got, counts = append(got, l.ids()), append(counts, l.Count)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.counts, counts); d != "" {
				t.Error(d)
			}
			last := events[len(events)-1]
			want := PageEvent{Tenant: r.tenant, Page: 3, Nth: 3, Rows: len(tt.want[2]), Total: tt.counts[2]}
			if last != want {
				t.Errorf("event %+v, want %+v", last, want)
			}
		})
	}
}

// Only complete pages cause events.
func TestAfterPageIsForWholePages(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.fill(1)
	n := 0
	r.AfterPage(func(PageEvent) { n++ })
	r.Fault(Rule{}, Status(500, ""), Truncate(3), Cut(3), WrongJSON())
	for range 4 {
		r.get("/api/Client")
	}
	r.get("/api/Client/1")
	r.get("/api/Client?page_no=x")
	if n != 0 {
		t.Errorf("%d events", n)
	}
	r.list("")
	if n != 1 {
		t.Errorf("%d events after a page", n)
	}
}

// After any sequence of changes, a tenant's lists equal those of a naive model.
func TestListsAgreeWithAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		x := New().Tenant("")
		model := map[int64]Client{}
		id := rapid.Int64Range(1, 12)
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				c := Client{ID: id.Draw(rt, "id"), Name: rapid.SampledFrom([]string{"a", "B", "ab"}).Draw(rt, "name"), Inactive: rapid.Bool().Draw(rt, "inactive")}
				x.Add(c)
				model[c.ID] = c
			},
			"delete": func(rt *rapid.T) {
				n := id.Draw(rt, "id")
				x.Delete(n)
				delete(model, n)
			},
			"rename": func(rt *rapid.T) {
				n := id.Draw(rt, "id")
				if c, ok := model[n]; ok {
					c.Name = "c"
					model[n] = c
				}
				x.Rename(n, "c")
			},
			"": func(rt *rapid.T) {
				for _, f := range []filter{{active: true}, {active: true, inactive: true}, {inactive: true}, {active: true, search: "b"}} {
					for _, desc := range []bool{false, true} {
						rows, total, _ := x.cut(viewKey{f, SortByID}, desc, ReadAll, nil, func(n int) (int, int) { return 0, n })
						if got, want := fmt.Sprint(entryIDs(rows)), fmt.Sprint(pickIDs(model, f, desc)); got != want || total != len(rows) {
							rt.Fatalf("%+v: %s, want %s", f, got, want)
						}
					}
					byName, _, _ := x.cut(viewKey{f, SortByName}, false, ReadAll, nil, func(n int) (int, int) { return 0, n })
					if !slices.IsSortedFunc(byName, func(a, b *entry) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) }) {
						rt.Fatalf("%+v: not by name", f)
					}
				}
			},
		})
	})
}

func entryIDs(rows []*entry) []int64 {
	var ids []int64
	for _, e := range rows {
		ids = append(ids, e.ID)
	}
	return ids
}

func pickIDs(model map[int64]Client, f filter, desc bool) []int64 {
	var ids []int64
	for id, c := range model {
		if f.match(&c) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if desc {
		slices.Reverse(ids)
	}
	return ids
}

// TestConcurrency runs readers, writers, hooks and switches at once, for the race
// detector.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	r := newFixture(t, WithProfile(Profile{RateLimit: Off}))
	r.tenant.Seed(300, 1)
	r.AfterPage(func(e PageEvent) { e.Tenant.Rename(1, fmt.Sprint(e.Nth)) })
	r.OnRequest(func(Request) {})
	r.Fault(Rule{Chance: 0.1, MaxRun: 1}, Status(500, ""), EmptyList())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 20 {
				rep := r.get(fmt.Sprintf("/api/Client?pageinate=true&page_size=20&page_no=%d&order=%s&search=%s", n, []string{"id", "name"}[n%2], []string{"", "e"}[i%2]))
				if rep.status == 200 && !json.Valid([]byte(rep.body)) {
					t.Errorf("pages got mixed up: %.200s", rep.body)
				}
				r.tenant.Add(Client{Name: "new"})
				r.tenant.Delete(int64(10*i + n))
				r.Log()
				r.SetProfile(func(p *Profile) { p.IDs = IDForm(n % 3) })
			}
		})
	}
	wg.Wait()
	if l := r.Log(); l.Requests != 160 || l.MaxConcurrent < 1 || l.MaxConcurrent > 8 {
		t.Errorf("log: %+v", l)
	}
}
