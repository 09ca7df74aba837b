package chaos

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// The model does not use the code under test. It derives the expected state
// from the requests, the clients in the simulated Halo and the states of the
// runs. If the outcome depends on whether an unmap came before or after an
// import request, the model uses the times recorded in Postgres.

// check compares the outcome of an episode with the model. It returns the
// episode's runs.
func (e *episode) check(ctx context.Context) map[string]row {
	ledger, err := e.ledger(ctx)
	if err != nil {
		e.Errorf("ledger: %v", err)
		return nil
	}
	e.checkAsks(ctx, ledger)
	for _, r := range ledger {
		e.checkRun(r)
	}
	for _, s := range e.sites {
		e.checkSite(ctx, s, ledger)
	}
	e.checkTemporaryRows(ctx)
	return ledger
}

// checkAsks compares the answers to the requests with the ledger.
func (e *episode) checkAsks(ctx context.Context, ledger map[string]row) {
	for id, asks := range e.accepted() {
		if r, ok := ledger[id]; ok {
			if r.Kind != asks[0].args.kind || r.Tenant != asks[0].site.tenant {
				e.Errorf("run %s, requested by %s, is stored as a %s run of tenant %s", id, asks[0].by(), r.Kind, r.Tenant)
			}
			continue
		}
		if !e.mayBeLost(asks) {
			continue // already reported by settle
		}
		if _, err := e.queue.Wait(ctx, id); !errors.Is(err, tasks.ErrUnknownRun) {
			e.Errorf("run %s is lost, and waiting for it returns %v", id, err)
		}
	}
	byAsker := map[string]string{}
	for id, r := range ledger {
		if other, twice := byAsker[r.asker]; twice && r.asker != "schedule" {
			e.Errorf("%s has two runs: %s and %s", r.asker, other, id)
		}
		byAsker[r.asker] = id
		n, err := strconv.Atoi(strings.TrimPrefix(r.asker, "ask-"))
		i := slices.IndexFunc(e.asks, func(a *ask) bool { return a.n == n })
		switch {
		case err != nil || i < 0:
			if r.asker != "schedule" {
				e.Errorf("run %s was requested by %q, but no request of that name exists", id, r.RequestedBy)
			}
		case e.asks[i].way == byRollback:
			e.Errorf("run %s of %s exists although it was rolled back", id, r.asker)
		case e.asks[i].accepted() && e.asks[i].id != id && e.asks[i].way != byRedis:
			// If a run was requested through Redis alone and its first claim
			// was lost, a second claim may return an earlier run.
			e.Errorf("%s got run %s, but run %s has its name", r.asker, e.asks[i].id, id)
		}
	}
}

// checkRun checks that a run's final state and its counts are possible.
func (e *episode) checkRun(r row) {
	bad := func(what string) {
		e.Errorf("%s %s of %s: %s: state %s, error %q, attempt %d, %+v, records %d of %d",
			r.Kind, r.id, r.asker, what, r.State, r.Error, r.Attempt, r.Counts, r.Records, r.RecordsTotal)
	}
	switch r.State {
	case repo.StateSucceeded:
		if r.Failed+r.Ambiguous > 0 {
			bad("it should be partial")
		}
	case repo.StateCancelled:
		if !e.cancelled[r.id] {
			bad("it was not cancelled")
		}
		return
	case repo.StatePartial:
		if r.Failed+r.Ambiguous == 0 {
			bad("it should not be partial")
		}
	case repo.StateFailed:
		// This is possible only if the run's workers died repeatedly.
		if e.lapses < 3 || !strings.HasPrefix(r.Error, "set aside") {
			bad("it should not have failed")
		}
		return
	default:
		bad("the run has not ended")
		return
	}
	if r.Attempt < 1 || r.StartedAt == nil || r.FinishedAt == nil || r.FinishedAt.Before(*r.StartedAt) || r.FinishedAt.Before(r.QueuedAt) {
		bad("times or attempts are inconsistent")
	}
	site := e.sites[slices.IndexFunc(e.sites, func(s *site) bool { return s.tenant == r.Tenant })]
	want, sum := 0, r.Created+r.Linked+r.Refreshed+r.Unchanged+r.Ambiguous+r.Skipped+r.Failed
	switch r.Kind {
	case repo.KindImport:
		// Halo's "Unknown" client cannot be imported. Only an import that chose it fails it.
		args, failed := argsOf[tasks.ImportArgs](e, r), 0
		if slices.Contains(args.ClientIDs, 1) {
			failed = 1
		}
		if want = len(covered(site, args)); r.Failed != failed || r.Ambiguous > 0 {
			bad("no client should fail or be ambiguous, except a chosen \"Unknown\"")
		}
	case repo.KindMap:
		// A pair may be refused because an import mapped its client first.
		args := argsOf[tasks.MapArgs](e, r)
		if want = len(args.Pairs); args.Replace && r.Failed > 0 {
			bad("no pair should be refused")
		}
	case repo.KindUnmap:
		want = len(argsOf[tasks.UnmapArgs](e, r).MappingIDs)
		sum += r.Removed
	case repo.KindResync:
		want, sum = r.Records, r.Records
		if r.Missing+r.Unverified+r.Removed+r.Failed > 0 {
			bad("no mapping should be missing, unverified or unmapped")
		}
	}
	if r.Records != want || sum != want {
		bad("records: want " + strconv.Itoa(want) + ", each counted once, and they sum up to " + strconv.Itoa(sum))
	}
}

// covered returns the clients that an import selects, including inactive ones.
func covered(s *site, args tasks.ImportArgs) []halotest.Client {
	var found []halotest.Client
	for _, c := range s.clients {
		if args.All || args.Search != "" && strings.Contains(c.Name, args.Search) || slices.Contains(args.ClientIDs, c.ID) {
			found = append(found, c)
		}
	}
	return found
}

// mapsIt reports whether an import that selects a client also maps this client.
func mapsIt(c halotest.Client, args tasks.ImportArgs) bool {
	chosen := slices.Contains(args.ClientIDs, c.ID)
	about := args.All || args.Search != "" && strings.Contains(c.Name, args.Search) || chosen
	return about && !args.DryRun && c.ID != 1 && (chosen || !c.Inactive)
}

// held describes a mapping in the database, active or unmapped.
type held struct {
	ID        uuid.UUID
	Company   *uuid.UUID
	Name      *string // of the company
	Client    int64
	Called    string // of the client
	Inactive  bool
	State     string
	MappedBy  string
	Run       *uuid.UUID
	DeletedAt *time.Time
}

// checkSite compares a tenant's companies and mappings with the model.
func (e *episode) checkSite(ctx context.Context, s *site, ledger map[string]row) {
	mappings := rows[held](ctx, e, `
		select m.id, m.company_id, c.name, m.client_id, m.client_name, m.client_inactive, m.state, m.mapped_by, m.run_id, m.deleted_at
		from halosync.mappings m left join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id
		where m.tenant = $1 and m.connection_id = $2`, s.tenant, s.conn.ID)
	type company struct {
		ID   uuid.UUID
		Name string
	}
	companies := rows[company](ctx, e, `select id, name from halosync.companies where tenant = $1`, s.tenant)

	byName := map[string]int{}
	for _, c := range companies {
		if byName[c.Name]++; byName[c.Name] == 2 {
			e.Errorf("%s: company %q exists twice", s.tenant, c.Name)
		}
	}
	inForce := map[int64]held{}
	deleted := map[int64][]held{}
	for _, m := range mappings {
		if m.DeletedAt != nil {
			deleted[m.Client] = append(deleted[m.Client], m)
			continue
		}
		if _, twice := inForce[m.Client]; twice {
			e.Errorf("%s: client %d is mapped twice", s.tenant, m.Client)
		}
		inForce[m.Client] = m
		i := slices.IndexFunc(s.clients, func(c halotest.Client) bool { return c.ID == m.Client })
		if i < 0 || m.Company == nil || m.Name == nil {
			e.Errorf("%s: the client or company of the mapping of client %d does not exist", s.tenant, m.Client)
			continue
		}
		c, state := s.clients[i], string(repo.MappingOK)
		if c.Inactive {
			state = string(repo.MappingInactive)
		}
		if m.Called != c.Name || m.Inactive != c.Inactive || m.State != state {
			e.Errorf("%s: the mapping says %q, inactive %v, %s; Halo has %+v", s.tenant, m.Called, m.Inactive, m.State, c)
		}
	}
	for _, c := range s.clients {
		e.checkClient(s, c, inForce, deleted[c.ID], ledger)
	}
	e.checkCounts(ctx, s, len(companies), mappings, ledger)
}

// checkClient compares one client's mapping with the requests.
func (e *episode) checkClient(s *site, c halotest.Client, inForce map[int64]held, deleted []held, ledger map[string]row) {
	m, mapped := inForce[c.ID]
	var gone time.Time // time of the last unmap
	for _, d := range deleted {
		if d.DeletedAt.After(gone) {
			gone = *d.DeletedAt
		}
	}
	isZoned := func(z zoned) bool { return z.client.ID == c.ID }
	unmaps, maps := slices.IndexFunc(s.unmaps, isZoned), slices.IndexFunc(s.maps, isZoned)

	must, may := false, false
	for _, r := range ledger {
		if r.Tenant != s.tenant {
			continue
		}
		switch r.Kind {
		case repo.KindImport:
			// An unmap that follows the request takes precedence.
			if mapsIt(c, argsOf[tasks.ImportArgs](e, r)) && (unmaps < 0 || r.QueuedAt.After(gone)) {
				may = true
				must = must || r.State == repo.StateSucceeded
			}
		case repo.KindMap:
			args := argsOf[tasks.MapArgs](e, r)
			if maps < 0 || !slices.ContainsFunc(args.Pairs, func(p tasks.Pair) bool { return p.ClientID == c.ID }) {
				continue
			}
			may = true
			if r.State == repo.StateSucceeded || r.State == repo.StatePartial {
				must = true // mapped by this run, or already mapped
				if refused := !args.Replace && r.Failed > 0; mapped && !refused && *m.Company != s.maps[maps].company {
					e.Errorf("%s: client %d is not mapped to its company, as %s requested", s.tenant, c.ID, r.asker)
				}
			}
		case repo.KindUnmap:
			if unmaps < 0 || r.State != repo.StateSucceeded {
				continue
			}
			id := s.unmaps[unmaps].mapping
			if slices.Contains(argsOf[tasks.UnmapArgs](e, r).MappingIDs, id.String()) &&
				!slices.ContainsFunc(deleted, func(d held) bool { return d.ID == id }) {
				e.Errorf("%s: mapping %s is active, although %s unmapped it", s.tenant, id, r.asker)
			}
		}
	}
	if unmaps >= 0 && gone.IsZero() {
		must, may = true, true // the mapping is unchanged
	}
	if mapped && !may || !mapped && must {
		e.Errorf("%s: client %d (%s) is mapped: %v, must be: %v, may be: %v, unmapped at %v", s.tenant, c.ID, c.Name, mapped, must, may, gone)
	}
	if mapped && unmaps >= 0 && *m.Company != s.unmaps[unmaps].company {
		e.Errorf("%s: client %d has a different company than before", s.tenant, c.ID)
	}
	if len(deleted) > 0 && unmaps < 0 && maps < 0 {
		e.Errorf("%s: client %d was unmapped without a request", s.tenant, c.ID)
	}
}

// checkCounts compares the counts of the runs with the rows and the events.
// Each change must be made once and counted once.
func (e *episode) checkCounts(ctx context.Context, s *site, companies int, mappings []held, ledger map[string]row) {
	var created, linked, removed int
	for _, r := range ledger {
		if r.Tenant != s.tenant || r.Kind == repo.KindImport && argsOf[tasks.ImportArgs](e, r).DryRun {
			continue
		}
		created, linked, removed = created+r.Created, linked+r.Linked, removed+r.Removed
	}
	var made, gone int
	byRun := map[uuid.UUID]int{}
	for _, m := range mappings {
		if m.Run != nil {
			made++
			byRun[*m.Run]++
		}
		if m.DeletedAt != nil {
			gone++
		}
	}
	event := func(action string) int {
		return value[int](ctx, e, `select count(*) from halosync.events where tenant = $1 and action = $2`, s.tenant, action)
	}
	before := len(s.unmaps) + len(s.maps)
	for _, c := range []struct {
		what      string
		there     int
		told      int
		byHistory int
	}{
		{"companies", companies - before, created, event("company.created")},
		{"mappings made", made, created + linked, event("mapping.created")},
		{"mappings deleted", gone, removed, event("mapping.deleted")},
	} {
		if c.there != c.told || c.there != c.byHistory {
			e.Errorf("%s: %s: %d exist, but the runs count %d and the events %d", s.tenant, c.what, c.there, c.told, c.byHistory)
		}
	}
	for _, r := range ledger {
		told := r.Created + r.Linked
		if r.Kind == repo.KindImport && argsOf[tasks.ImportArgs](e, r).DryRun {
			told = 0
		}
		if r.Tenant == s.tenant && byRun[r.ID] != told {
			e.Errorf("%s: run %s of %s made %d mappings but counts %d", s.tenant, r.id, r.asker, byRun[r.ID], told)
		}
	}
}

// checkTemporaryRows checks that no temporary rows of runs remain.
func (e *episode) checkTemporaryRows(ctx context.Context) {
	for _, table := range []string{"run_pages", "run_findings"} {
		if n := value[int](ctx, e, `select count(*) from halosync.`+table); n > 0 {
			e.Errorf("%d rows in %s", n, table)
		}
	}
}
