package halotest

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// filter is the part of a list query that selects clients.
type filter struct {
	active, inactive bool
	search           string // lower case; matches several fields
	nameSearch       string // lower case; matches the name
	topLevel         int64
	byTopLevel       bool
	client           int64 // 0: all clients
	since            int64 // earliest time of the last change, in Unix nanoseconds; 0: any time
}

// plain reports whether f selects exactly the active clients, or all clients.
func (f filter) plain() bool {
	return f == filter{active: true} || f == filter{active: true, inactive: true}
}

func (f filter) match(c *Client) bool {
	switch {
	case c.Inactive && !f.inactive, !c.Inactive && !f.active:
		return false
	case f.byTopLevel && c.TopLevelID != f.topLevel, f.client != 0 && c.ID != f.client:
		return false
	case f.since != 0 && (c.Updated.IsZero() || c.Updated.Before(time.Unix(0, f.since))):
		return false
	case !holds(c.Name, f.nameSearch):
		return false
	}
	return holds(c.Name, f.search) || holds(c.TopLevelName, f.search) || holds(c.Ref, f.search) ||
		holds(c.Website, f.search) || holds(c.Email, f.search) || holds(c.Phone, f.search)
}

// holds reports whether s contains part, regardless of case. The argument part is in lower
// case.
func holds(s, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(s), part)
}

// viewKey identifies a list of clients.
type viewKey struct {
	filter
	sort Sort
}

// maxViews bounds the number of lists that a tenant caches between two changes.
const maxViews = 16

// viewCache caches lists that take a pass over all clients to build. Each
// change to a client clears it.
type viewCache struct {
	mu    sync.Mutex // held while a list is built, so that each list is built only once
	lists map[viewKey][]*entry
}

// clear empties the cache. The caller holds the tenant's lock for writing.
func (v *viewCache) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.lists)
}

// view returns the clients of key in ascending order. The caller must hold the
// tenant's lock for reading as long as it uses the result.
func (t *Tenant) view(key viewKey) []*entry {
	if key.plain() && key.sort == SortByID {
		if key.inactive {
			return t.all
		}
		return t.active
	}
	t.views.mu.Lock()
	defer t.views.mu.Unlock()
	if list, ok := t.views.lists[key]; ok {
		return list
	}
	list := t.all.pick(key.filter)
	if key.sort == SortByName {
		sortByName(list)
	}
	if t.views.lists == nil || len(t.views.lists) >= maxViews {
		t.views.lists = make(map[viewKey][]*entry)
	}
	t.views.lists[key] = list
	return list
}

func (x index) pick(f filter) []*entry {
	var list []*entry
	for _, e := range x {
		if f.match(&e.Client) {
			list = append(list, e)
		}
	}
	return list
}

// sortByName sorts clients by name, regardless of case. The order of equal
// names is unrelated to their ids, because a database guarantees no order.
func sortByName(list []*entry) {
	type keyed struct {
		name string
		tie  uint64
		e    *entry
	}
	ks := make([]keyed, len(list))
	for i, e := range list {
		ks[i] = keyed{strings.ToLower(e.Name), uint64(e.ID) * 0x9e3779b97f4a7c15, e} //nolint:gosec // a hash
	}
	slices.SortFunc(ks, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.tie, b.tie))
	})
	for i, k := range ks {
		list[i] = k.e
	}
}

// cut selects the clients that match key and that rights allow. If derive is not nil, it
// turns them into the rows of another list. The method cut returns a copy of the rows that
// span selects. The result total is the number of rows before that selection, and keep
// reports whether the tenant is small enough to cache rows.
func (t *Tenant) cut(key viewKey, desc bool, rights Rights, derive func([]*entry) []*entry, span func(total int) (from, to int)) (rows []*entry, total int, keep bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := t.view(key)
	if rights != ReadAll {
		list = visible(list, rights)
	}
	if derive != nil {
		list = derive(list)
	}
	from, to := span(len(list))
	rows = make([]*entry, 0, to-from)
	for i := from; i < to; i++ {
		if desc {
			rows = append(rows, list[len(list)-1-i])
		} else {
			rows = append(rows, list[i])
		}
	}
	return rows, len(list), len(t.all) <= maxCached
}

func visible(list []*entry, rights Rights) []*entry {
	var seen []*entry
	for _, e := range list {
		if rights.reads(e.ID) {
			seen = append(seen, e)
		}
	}
	return seen
}

// index is a set of clients in ascending order of id.
type index []*entry

func (x index) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(x, id, func(e *entry, id int64) int { return cmp.Compare(e.ID, id) })
}

func (x index) get(id int64) *entry {
	if i, ok := x.find(id); ok {
		return x[i]
	}
	return nil
}

// put adds e or replaces the entry with the same id.
func (x *index) put(e *entry) {
	if n := len(*x); n == 0 || (*x)[n-1].ID < e.ID {
		*x = append(*x, e) // the common case, which makes seeding linear
		return
	}
	i, ok := x.find(e.ID)
	if ok {
		(*x)[i] = e
		return
	}
	*x = slices.Insert(*x, i, e)
}

func (x *index) drop(id int64) {
	if i, ok := x.find(id); ok {
		*x = slices.Delete(*x, i, i+1)
	}
}
