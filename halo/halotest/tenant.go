package halotest

import (
	"slices"
	"sync"
)

// Tenant is one customer base in a Halo, with its applications and clients. All
// methods are safe for concurrent use. Each page shows a consistent state.
type Tenant struct {
	halo *Halo
	name string

	appMu sync.Mutex // guards apps
	apps  map[string]*App

	mu      sync.RWMutex // guards the fields below
	all     index
	active  index
	deleted map[int64]*entry // as they were before their deletion
	views   viewCache
}

func newTenant(h *Halo, name string) *Tenant {
	return &Tenant{halo: h, name: name, apps: make(map[string]*App), deleted: make(map[int64]*entry)}
}

// Name returns the name of the tenant. It is "" for the tenant of the host
// itself.
func (t *Tenant) Name() string { return t.name }

// Add adds clients and returns their ids. A client with an existing id replaces
// the stored client.
func (t *Tenant) Add(clients ...Client) []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]int64, len(clients))
	for i, c := range clients {
		if c.ID == 0 {
			c.ID = t.lastID() + 1
		}
		if c.MainSiteID == 0 {
			c.MainSiteID = c.ID + 17
		}
		c.CustomFields = slices.Clone(c.CustomFields)
		t.put(c)
		ids[i] = c.ID
	}
	return ids
}

// Update changes a client, except for its id, and sets the time of its last
// change. It returns false if there is no such client. change must not call
// methods of the tenant.
func (t *Tenant) Update(id int64, change func(*Client)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.update(id, change)
}

func (t *Tenant) update(id int64, change func(*Client)) bool {
	e := t.all.get(id)
	if e == nil {
		return false
	}
	c := e.Client
	c.CustomFields = slices.Clone(c.CustomFields)
	c.Updated = t.halo.now()
	change(&c)
	c.ID = id
	t.put(c)
	return true
}

// Rename changes the name of a client. It returns false if there is no such
// client.
func (t *Tenant) Rename(id int64, name string) bool {
	return t.Update(id, func(c *Client) { c.Name = name })
}

// Deactivate makes a client inactive. It returns false if there is no such
// client.
func (t *Tenant) Deactivate(id int64) bool {
	return t.Update(id, func(c *Client) { c.Inactive = true })
}

// Activate makes a client active. It returns false if there is no such client.
func (t *Tenant) Activate(id int64) bool {
	return t.Update(id, func(c *Client) { c.Inactive = false })
}

// Delete removes a client from all lists; a request for it by id then gets
// [Profile.DeletedStatus]. It returns false if there is no such client.
func (t *Tenant) Delete(id int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.drop(id)
}

// Merge deletes one client (from) and marks another (into) as changed, as if
// its data had moved there. It returns false and changes nothing if either
// client does not exist or both ids are equal.
func (t *Tenant) Merge(from, into int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from == into || t.all.get(from) == nil {
		return false
	}
	return t.update(into, func(*Client) {}) && t.drop(from)
}

// Get returns a client. It returns false if there is no such client.
func (t *Tenant) Get(id int64) (Client, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.all.get(id)
	if e == nil {
		return Client{}, false
	}
	c := e.Client
	c.CustomFields = slices.Clone(c.CustomFields)
	return c, true
}

// Len returns the number of clients, including inactive ones.
func (t *Tenant) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.all)
}

// IDs returns the ids of all clients, including inactive ones, in ascending
// order.
func (t *Tenant) IDs() []int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	ids := make([]int64, len(t.all))
	for i, e := range t.all {
		ids[i] = e.ID
	}
	return ids
}

// Clients returns all clients, including inactive ones, in ascending order of
// id.
func (t *Tenant) Clients() []Client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	cs := make([]Client, len(t.all))
	for i, e := range t.all {
		cs[i] = e.Client
		cs[i].CustomFields = slices.Clone(e.CustomFields)
	}
	return cs
}

// lastID returns the greatest id so far. Like a database, a tenant never reuses the id of a
// deleted client.
func (t *Tenant) lastID() int64 {
	var last int64
	if n := len(t.all); n > 0 {
		last = t.all[n-1].ID
	}
	for id := range t.deleted {
		last = max(last, id)
	}
	return last
}

func (t *Tenant) put(c Client) {
	e := &entry{Client: c}
	t.all.put(e)
	delete(t.deleted, c.ID)
	if c.Inactive {
		t.active.drop(c.ID)
	} else {
		t.active.put(e)
	}
	t.views.clear()
}

func (t *Tenant) drop(id int64) bool {
	e := t.all.get(id)
	if e == nil {
		return false
	}
	t.deleted[id] = e
	t.all.drop(id)
	t.active.drop(id)
	t.views.clear()
	return true
}
