package halotest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tenant is one Halo database with its clients. All methods are safe for
// concurrent use, also while requests are answered.
type Tenant struct {
	h    *Halo
	name string
	apps map[string]*App

	clients map[int64]*record
	all     []int64 // ascending
	active  []int64 // ascending
	byName  []int64 // nil: to be sorted anew
	window  window
}

// Add adds clients, or replaces those whose id is there already.
func (t *Tenant) Add(clients ...Client) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	for _, c := range clients {
		if c.ID < 1 {
			panic(fmt.Sprintf("halotest: client id %d", c.ID))
		}
		t.put(c)
	}
}

// put stores a client. The caller holds the lock.
func (t *Tenant) put(c Client) {
	now := t.h.now()
	created := now
	if old, ok := t.clients[c.ID]; ok {
		created = old.created
	}
	t.clients[c.ID] = newRecord(c, created, now, t.h.profile.InlineLogo)
	t.all = with(t.all, c.ID)
	if c.Inactive {
		t.active = without(t.active, c.ID)
	} else {
		t.active = with(t.active, c.ID)
	}
	t.byName = nil
}

func with(ids []int64, id int64) []int64 {
	if n := len(ids); n == 0 || ids[n-1] < id {
		return append(ids, id)
	}
	i, found := slices.BinarySearch(ids, id)
	if found {
		return ids
	}
	return slices.Insert(ids, i, id)
}

func without(ids []int64, id int64) []int64 {
	if i, found := slices.BinarySearch(ids, id); found {
		return slices.Delete(ids, i, i+1)
	}
	return ids
}

// Rename changes a client's name.
func (t *Tenant) Rename(id int64, name string) { t.change(id, func(c *Client) { c.Name = name }) }

// Deactivate makes a client inactive.
func (t *Tenant) Deactivate(id int64) { t.change(id, func(c *Client) { c.Inactive = true }) }

// Activate makes a client active.
func (t *Tenant) Activate(id int64) { t.change(id, func(c *Client) { c.Inactive = false }) }

// change applies f to a client that exists; others stay missing.
func (t *Tenant) change(id int64, f func(*Client)) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	if r, ok := t.clients[id]; ok {
		c := r.Client
		f(&c)
		t.put(c)
	}
}

// Delete removes a client; nobody is told.
func (t *Tenant) Delete(id int64) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	t.remove(id)
}

func (t *Tenant) remove(id int64) {
	delete(t.clients, id)
	t.all, t.active, t.byName = without(t.all, id), without(t.active, id), nil
}

// Merge moves everything of one client to another: the first is gone after
// it, and the second has changed.
func (t *Tenant) Merge(from, into int64) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	if r, ok := t.clients[into]; ok && t.clients[from] != nil && from != into {
		t.remove(from)
		t.put(r.Client)
	}
}

// Get returns a client as it is now.
func (t *Tenant) Get(id int64) (Client, bool) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	if r, ok := t.clients[id]; ok {
		return r.Client, true
	}
	return Client{}, false
}

// Len is the number of clients, inactive ones included.
func (t *Tenant) Len() int {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	return len(t.all)
}

// IDs are the ids of all clients, ascending.
func (t *Tenant) IDs() []int64 {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	return slices.Clone(t.all)
}

// named are all ids in the order of names, as a case-insensitive collation
// sorts them.
func (t *Tenant) named() []int64 {
	if t.byName == nil {
		t.byName = slices.Clone(t.all)
		slices.SortStableFunc(t.byName, func(a, b int64) int {
			return cmp.Compare(strings.ToLower(t.clients[a].Name), strings.ToLower(t.clients[b].Name))
		})
	}
	return t.byName
}

// App is an application registered in Halo: credentials, scopes, and the
// agent whose rights it has.
type App struct {
	h          *Halo
	tenant     *Tenant
	id, secret string
	scopes     []string
	rights     Rights
}

// Rights are what an application's agent may see.
type Rights struct {
	all  bool // sees is true for every id
	sees func(id int64) bool
}

// ReadAll may read every client.
func ReadAll() Rights { return Rights{true, func(int64) bool { return true }} }

// ReadNone may read no client: lists come out empty with status 200.
func ReadNone() Rights { return Rights{false, func(int64) bool { return false }} }

// ReadSome may read the clients for which sees is true.
func ReadSome(sees func(id int64) bool) Rights { return Rights{false, sees} }

// App registers an application with the scope "all", or with scopes.
func (t *Tenant) App(clientID, secret string, scopes ...string) *App {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	if len(scopes) == 0 {
		scopes = []string{"all"}
	}
	a := &App{h: t.h, tenant: t, id: clientID, secret: secret, scopes: scopes, rights: ReadAll()}
	t.apps[clientID] = a
	return a
}

// SetRights changes what the agent may see. Rights are fixed in a token when
// it is issued, so this takes effect with the next one (Halo guide 1566).
func (a *App) SetRights(r Rights) {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	a.rights = r
}

// SetSecret replaces the client secret; tokens that are out stay good.
func (a *App) SetSecret(secret string) {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	a.secret = secret
}

// Revoke makes all tokens of the application invalid now.
func (a *App) Revoke() {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	for text, tok := range a.h.tokens {
		if tok.app == a {
			delete(a.h.tokens, text)
		}
	}
}

// window counts requests in a rolling window.
type window struct{ at []time.Time }

// admit notes a request at now, unless limit (0: none) of them lie within the
// window already. Refused ones do not count. It returns how long until one
// more would be admitted.
func (w *window) admit(now time.Time, limit int, length time.Duration) (ok bool, wait time.Duration, inside int) {
	old := 0
	for old < len(w.at) && !w.at[old].After(now.Add(-length)) {
		old++
	}
	w.at = w.at[old:]
	if limit > 0 && len(w.at) >= limit {
		return false, w.at[len(w.at)-limit].Add(length).Sub(now), len(w.at)
	}
	w.at = append(w.at, now)
	return true, 0, len(w.at)
}
