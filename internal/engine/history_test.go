package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// history is one random history: a tenant with a connection, its Halo, and a model of
// the expected state.
type history struct {
	*stage
	seed  uint64
	dice  *rand.Rand
	total *stats
	name  string // name of the tenant in halosync and in Halo
	conn  repo.Connection
	far   *halotest.Tenant
	app   *halotest.App
	few   bool // whether imports select only single clients
	steps int
	doing string

	mapped         map[uuid.UUID]side // active mappings
	deleted        []uuid.UUID        // mappings deleted by a person
	everThere      map[int64]bool     // clients that have existed in Halo
	deletedClients []halotest.Client  // deleted clients that may be added again
	absent         map[int64]bool     // clients that were missing at some time during the run
}

// play plays one history.
func (st *stage) play(seed uint64, total *stats) {
	s := &history{
		stage: st, seed: seed, dice: rand.New(rand.NewPCG(seed, 11)), total: total, name: fmt.Sprint("h", seed),
		mapped: map[uuid.UUID]side{}, everThere: map[int64]bool{}, absent: map[int64]bool{},
	}
	s.far = st.halo.Tenant(s.name)
	s.app = s.far.App(testApp, testSecret)
	s.add(3 + s.dice.IntN(30))
	in := st.input("c")
	in.HaloTenant = s.name
	conn, err := st.engine.AddConnection(st.t.Context(), s.name, "test", in)
	if err != nil {
		s.fail("%v", err)
		return
	}
	s.conn = conn
	s.few = s.dice.IntN(4) == 0 // with few mappings in a large Halo, a resync reads clients by id
	if s.dice.IntN(4) == 0 || s.few {
		s.add(50)
	}
	s.imports()
	for s.steps = 1; s.steps <= 8+s.dice.IntN(5) && !s.t.Failed(); s.steps++ {
		s.step()
	}
	s.resync(noFault)
}

func (s *history) step() {
	switch d := s.dice.IntN(20); {
	case d < 8:
		for range 1 + s.dice.IntN(4) {
			s.change()
		}
	case d < 9:
		s.imports()
	case d < 11:
		s.mapPair()
	case d < 13:
		s.unmap(1 + s.dice.IntN(3))
	case d < 14:
		s.restore()
	default:
		s.resync(faultMode(s.dice.IntN(int(faultModes))))
	}
}

func (s *history) add(n int) {
	for range n {
		c := halotest.Client{Name: fmt.Sprintf("Client %d", s.dice.IntN(1_000_000)), Inactive: s.dice.IntN(12) == 0}
		if s.far.Len() == 0 {
			c.ID = 2
		}
		for _, id := range s.far.Add(c) {
			s.everThere[id] = true
		}
	}
}

// change makes one change in Halo.
func (s *history) change() {
	ids := s.far.IDs()
	if len(ids) < 3 {
		s.add(1)
		return
	}
	id, other := ids[s.dice.IntN(len(ids))], ids[s.dice.IntN(len(ids))]
	switch s.dice.IntN(8) {
	case 0:
		s.add(1)
	case 1:
		s.far.Rename(id, fmt.Sprintf("Renamed %d", s.dice.IntN(1_000_000)))
	case 2:
		s.far.Deactivate(id)
	case 3:
		s.far.Activate(id)
	case 4, 5:
		s.noteDeletion(id)
		s.far.Delete(id)
	case 6:
		if id != other {
			s.noteDeletion(id)
			s.far.Merge(id, other)
		}
	default:
		if len(s.deletedClients) > 0 {
			i := s.dice.IntN(len(s.deletedClients))
			s.far.Add(s.deletedClients[i])
			s.deletedClients = slices.Delete(s.deletedClients, i, i+1)
		}
	}
}

func (s *history) noteDeletion(id int64) {
	if c, ok := s.far.Get(id); ok {
		s.deletedClients = append(s.deletedClients, c)
		s.absent[id] = true
	}
}

// imports imports either all clients or a few of them. Sometimes a person unmaps mappings
// during the import; the unmapping wins.
func (s *history) imports() {
	s.doing = "import"
	gone, spared := map[uuid.UUID]bool{}, map[int64]bool{}
	interfere := func() {
		if s.dice.IntN(6) > 0 {
			return
		}
		for _, m := range s.unmapNow(1, gone) {
			spared[m.Client] = true
		}
	}
	args := all(s.conn)
	if ids := s.far.IDs(); s.few && len(ids) > 0 {
		args.All = false
		for range 1 + s.dice.IntN(3) {
			args.ClientIDs = append(args.ClientIDs, ids[s.dice.IntN(len(ids))])
		}
	}
	j := job(args)
	s.between(interfere, func() {
		run(s, j, func() error { _, err := s.engine.Import(s.t.Context(), j); return err })
	})
	s.settle(gone, func(m side) bool { return !spared[m.Client] })
}

// mapPair maps an unmapped or new company to a random client.
func (s *history) mapPair() {
	s.doing = "map"
	ids := s.far.IDs()
	if len(ids) == 0 {
		return
	}
	companies, err := s.store.Companies(s.t.Context(), s.name, repo.CompanyFilter{Unmapped: s.dice.IntN(2) == 0})
	if err != nil || len(companies) == 0 {
		if companies, err = s.engine.AddCompanies(s.t.Context(), s.name, "ann", []string{fmt.Sprint("Company ", s.steps)}, ""); err != nil {
			s.fail("%v", err)
			return
		}
	}
	company, client := companies[s.dice.IntN(len(companies))], ids[s.dice.IntN(len(ids))]
	replace := s.dice.IntN(2) == 0
	gone := map[uuid.UUID]bool{}
	c, _ := s.far.Get(client)
	for id, m := range s.mapped {
		same := m.Client == client && m.Company == company.ID
		if replace && !c.Inactive && !same && (m.Client == client || m.Company == company.ID) {
			gone[id] = true
		}
	}
	args := tasks.MapArgs{
		Tenant: s.name, ConnectionID: s.conn.ID.String(), Replace: replace, RequestedBy: "ann",
		Pairs: []tasks.Pair{{Company: company.ID.String(), ClientID: client}},
	}
	j := tasks.Job[tasks.MapArgs]{RunID: tasks.NewRunID(), Args: args.Canonical(), Attempt: 1, Draining: make(chan struct{})}
	run(s, j, func() error { _, err := s.engine.Map(s.t.Context(), j); return err })
	for id := range gone {
		s.deleted = append(s.deleted, id)
	}
	s.settle(gone, func(m side) bool { return m.Client == client && m.Company == company.ID })
}

func (s *history) unmap(n int) {
	s.doing = "unmap"
	gone := map[uuid.UUID]bool{}
	s.unmapNow(n, gone)
	s.settle(gone, nil)
}

// unmapNow unmaps up to n mappings of the model and adds them to the list gone.
func (s *history) unmapNow(n int, gone map[uuid.UUID]bool) (sides []side) {
	var ids []uuid.UUID
	for id := range s.mapped {
		if !gone[id] {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	s.dice.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids[:min(n, len(ids))] {
		if _, err := s.engine.UnmapNow(s.t.Context(), s.name, "ann", []string{id.String()}); err != nil {
			s.fail("%v", err)
		}
		gone[id] = true
		s.deleted = append(s.deleted, id)
		s.total.unmapped.Add(1)
		sides = append(sides, s.mapped[id])
	}
	return sides
}

// restore restores a deleted mapping if its client and company are unmapped.
func (s *history) restore() {
	s.doing = "restore"
	if len(s.deleted) == 0 {
		return
	}
	i := s.dice.IntN(len(s.deleted))
	id := s.deleted[i]
	if _, err := s.engine.Restore(s.t.Context(), s.name, "ann", []string{id.String()}); err != nil {
		s.fail("%v", err)
	}
	s.settle(nil, func(side) bool { return true })
	if _, ok := s.mapped[id]; ok {
		s.deleted = slices.Delete(s.deleted, i, i+1)
		s.total.restored.Add(1)
	}
}

// faultMode is the kind of interference during a resync.
type faultMode int

const (
	noFault   faultMode = iota
	changing            // Halo changes between pages
	unmapping           // a person unmaps between pages
	faulty              // requests fail
	broken              // some clients cannot be read one by one
	emptyPage           // a page has no rows
	blind               // the agent may read no clients
	halfBlind           // the agent may read only some clients
	faultModes
)

func (s *history) resync(mode faultMode) {
	s.doing = fmt.Sprint("resync ", mode)
	before, gone := s.sides(), map[uuid.UUID]bool{}
	clear(s.absent)
	there := map[int64]bool{}
	for _, id := range s.far.IDs() {
		there[id] = true
	}
	hidden := func(int64) bool { return false }
	interfere := func() {}
	switch mode {
	case changing:
		interfere = func() { s.change() }
	case unmapping:
		interfere = func() { s.unmapNow(1, gone) }
	case faulty:
		s.halo.Fault(halotest.Rule{Tenant: s.far, Chance: 0.15, Seed: s.seed, MaxRun: 3}, halotest.Status(500, ""), halotest.Status(503, ""),
			halotest.Throttle(0), halotest.Reset(), halotest.HTML200(), halotest.Truncate(80), halotest.Cut(60), halotest.Expire())
	case broken:
		for id := range s.everThere { // including deleted clients
			if (id+int64(s.steps))%3 == 0 {
				s.halo.Fault(halotest.Rule{Tenant: s.far, Route: halotest.RouteDetail, ClientID: id, Times: halotest.Forever},
					halotest.Status([]int{403, 500, 502}[id%3], ""))
			}
		}
	case emptyPage:
		s.halo.Fault(halotest.Rule{Tenant: s.far, Route: halotest.RouteList, Nth: 1 + s.dice.IntN(4), Times: 1 + s.dice.IntN(9)}, halotest.EmptyList())
	case blind:
		s.app.Rights(halotest.ReadNone)
	case halfBlind:
		modulus := int64(2 + s.dice.IntN(2)*s.dice.IntN(6))
		hidden = func(id int64) bool { return id%modulus == 0 }
		s.app.Rights(halotest.ReadSome(func(id int64) bool { return !hidden(id) }))
	case noFault, faultModes:
	}
	j := resyncJob(s.conn)
	var r repo.Run
	s.between(interfere, func() {
		r = run(s, j, func() error { _, err := s.engine.Resync(s.t.Context(), j); return err })
	})
	s.halo.ClearFaults()
	s.app.Rights(halotest.ReadAll)
	s.settle(gone, nil)
	s.check(mode, r, before, func(id int64) bool { return !there[id] || s.absent[id] || hidden(id) })
	if s.reconnect(); mode == noFault {
		s.exact(j, r)
	}
}

// check compares the result of a resync with what the resync could have
// seen.
func (s *history) check(mode faultMode, r repo.Run, before map[uuid.UUID]side, absent func(int64) bool) {
	switch r.State {
	case repo.StateSucceeded:
		s.total.succeeded.Add(1)
	case repo.StatePartial:
		s.total.partial.Add(1)
	case repo.StateHeld:
		s.total.held.Add(1)
	default:
		s.total.failed.Add(1)
	}
	s.total.missing.Add(int64(r.Missing))
	s.total.unverified.Add(int64(r.Unverified))
	s.total.refreshed.Add(int64(r.Refreshed))
	trusted := r.State == repo.StateSucceeded || r.State == repo.StatePartial && r.Unverified > 0
	if diffs := changed(before, s.mapped); !trusted && len(diffs) > 0 {
		s.fail("a run that is %s (%s) changed %s", r.State, r.Error, diffs)
	}
	if r.State != repo.StateSucceeded && r.Error == "" {
		s.fail("%s without a reason", r.State)
	}
	if mode == blind && len(before) > 0 && r.State == repo.StateSucceeded {
		s.fail("succeeded without seeing anything")
	}
	marked := 0
	for id, m := range s.mapped {
		if m.State != repo.MappingMissing || before[id].State == repo.MappingMissing {
			continue
		}
		marked++
		if !absent(m.Client) {
			s.fail("client %d is marked missing, but existed throughout", m.Client)
		}
	}
	if marked > max(20, len(before)/10) {
		s.fail("%d of %d mappings were marked missing, without approval", marked, len(before))
	}
}

// exact verifies that the mappings match Halo after a resync without faults.
func (s *history) exact(j tasks.Job[tasks.ResyncArgs], r repo.Run) {
	if r.State == repo.StateHeld {
		if _, err := s.store.ApproveRun(s.t.Context(), s.name, r.ID, "ann"); err != nil {
			s.fail("%v", err)
			return
		}
		r = run(s, j, func() error { _, err := s.engine.Resync(s.t.Context(), j); return err })
		s.settle(nil, nil)
	}
	waiting := repotest.Value[int](s.t, s.url, `select count(*) from halosync.mappings
		where tenant = $1 and state = 'unverified' and vanished_at is not null and deleted_at is null`, s.name)
	if r.State == repo.StatePartial && r.Unverified == waiting { // many vanished together; the next night's resync must confirm that they are gone
		repotest.Exec(s.t, s.url, `update halosync.mappings set vanished_at = vanished_at - interval '1 day' where tenant = $1`, s.name)
		j = resyncJob(s.conn)
		r = run(s, j, func() error { _, err := s.engine.Resync(s.t.Context(), j); return err })
		s.settle(nil, nil)
	}
	if r.State != repo.StateSucceeded {
		if s.far.Len() == 0 && r.State == repo.StatePartial {
			return // an empty Halo proves nothing
		}
		s.fail("%s: %s", counts(r), r.Error)
		return
	}
	for _, m := range s.mapped {
		c, ok := s.far.Get(m.Client)
		want := side{Client: m.Client, Company: m.Company, Name: shown(c.Name), State: repo.MappingOK, Inactive: c.Inactive}
		switch {
		case !ok:
			want = m
			want.State = repo.MappingMissing
		case c.Inactive:
			want.State = repo.MappingInactive
		}
		verified := m.verified
		m.verified, want.verified = nil, nil
		if m != want {
			s.fail("mapping %+v, want %+v", m, want)
		}
		if verified == nil || verified.Before(r.StartedAt.Add(-time.Millisecond)) {
			s.fail("client %d was last verified at %v, before the run began at %v", m.Client, verified, r.StartedAt)
		}
	}
	if s.dice.IntN(3) > 0 {
		return
	}
	was := s.sides()
	again := resyncJob(s.conn)
	r = run(s, again, func() error { _, err := s.engine.Resync(s.t.Context(), again); return err })
	events, err := s.store.Events(s.t.Context(), s.name, repo.EventFilter{RunID: &r.ID})
	s.settle(nil, nil)
	if diffs := changed(was, s.mapped); len(diffs) > 0 || len(events) > 0 || err != nil || r.State != repo.StateSucceeded {
		s.fail("a resync without changes: %s %s, %d events, %v", r.State, diffs, len(events), err)
	}
}

// reconnect reactivates a connection that a run stopped.
func (s *history) reconnect() {
	if err := s.store.SetConnectionState(s.t.Context(), s.name, "ann", s.conn.ID, repo.Active, ""); err != nil {
		s.fail("%v", err)
	}
}
