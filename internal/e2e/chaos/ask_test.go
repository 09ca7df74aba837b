package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// These are the kinds of requests.
const (
	importAll    = "import all"
	importSearch = "import search"
	importIDs    = "import ids"
	importDry    = "import dry"
	mapPairs     = "map"
	mapReplace   = "map replace"
	unmapSome    = "unmap"
	resync       = "resync"
)

// These are the ways to request a run.
const (
	byEngine   = "engine"
	byCLI      = "cli"
	byRedis    = "redis alone"
	bySQL      = "sql"
	byRollback = "sql, rolled back"
	byRetry    = "retry"
)

// plannedAsk is a planned action of a person: requesting a run, or cancelling
// or retrying an earlier one.
type plannedAsk struct {
	at     time.Duration
	site   int
	what   string // "" if act is set
	way    string
	search string
	picks  []int  // indexes of clients in their zone
	act    string // "cancel" or "retry"
	of     int    // random number that selects one of the known runs
}

// ask is one request for a run and its outcome.
type ask struct {
	plannedAsk
	n      int
	site   *site
	args   request
	began  time.Time
	answer time.Time
	id     string // id of the run; "" if unknown
	joined bool   // the run already existed for an earlier request
	err    error
}

// by returns the name of the requester in the run's record.
func (a *ask) by() string { return fmt.Sprint("ask-", a.n) }

// accepted reports whether the caller may expect the run to be executed.
func (a *ask) accepted() bool { return a.id != "" && a.err == nil && a.way != byRollback }

// request holds a run's kind and arguments.
type request struct {
	kind repo.RunKind // as stored in the ledger
	imp  tasks.ImportArgs
	maps tasks.MapArgs
	un   tasks.UnmapArgs
	re   tasks.ResyncArgs
}

// drawAsks draws the actions of people for the first part of an episode.
func drawAsks(r *rand.Rand, n, sites int, within time.Duration) []plannedAsk {
	whats := []string{importAll, importAll, importSearch, importIDs, importIDs, importDry, mapPairs, mapReplace, mapReplace, unmapSome, unmapSome, resync}
	ways := []string{byEngine, byEngine, byEngine, byRedis, byRedis, bySQL, bySQL, bySQL, byRollback, byCLI}
	asks := make([]plannedAsk, n)
	for i := range asks {
		a := plannedAsk{
			at: time.Duration(r.Int64N(int64(within))), site: r.IntN(sites),
			what: whats[r.IntN(len(whats))], way: ways[r.IntN(len(ways))],
			search: []string{"Amber", "Birch", "Cedar"}[r.IntN(3)], of: r.IntN(1000),
		}
		for range 1 + r.IntN(12) {
			a.picks = append(a.picks, r.IntN(1000))
		}
		switch d := r.IntN(100); {
		case d < 8:
			a.act = "cancel"
		case d < 18:
			a.act = "retry"
		}
		asks[i] = a
	}
	slices.SortStableFunc(asks, func(a, b plannedAsk) int { return int(a.at - b.at) })
	return asks
}

// askAll performs the planned actions at their times. Each action has its own
// goroutine, so that a hanging action does not delay the others.
func (e *episode) askAll(ctx context.Context) {
	var going sync.WaitGroup
	for i, p := range e.plan.asks {
		if !sleepUntil(ctx, e.began.Add(p.at)) {
			break
		}
		a := &ask{plannedAsk: p, n: i, site: e.sites[p.site], began: time.Now()}
		going.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			if p.act == "cancel" {
				e.cancel(ctx, a)
				return
			}
			if p.act == "retry" && e.retry(ctx, a) {
				return
			}
			a.args = a.request()
			e.mu.Lock()
			e.asks = append(e.asks, a)
			e.mu.Unlock()
			e.ask(ctx, a)
		})
	}
	going.Wait()
}

// request returns the kind and arguments of the requested run.
func (a *ask) request() request {
	s, tenant, conn := a.site, a.site.tenant, a.site.conn.ID.String()
	pick := func(n int) []int {
		var picks []int
		for _, p := range a.picks {
			if !slices.Contains(picks, p%n) {
				picks = append(picks, p%n)
			}
		}
		return picks
	}
	imp := tasks.ImportArgs{Tenant: tenant, ConnectionID: conn, RequestedBy: a.by()}
	switch a.what {
	case importAll:
		imp.All = true
	case importSearch:
		imp.Search = a.search
	case importDry:
		imp.All, imp.DryRun = true, true
	case importIDs:
		for _, i := range pick(len(s.clients)) {
			imp.ClientIDs = append(imp.ClientIDs, s.clients[i].ID)
		}
	case mapPairs, mapReplace:
		args := tasks.MapArgs{Tenant: tenant, ConnectionID: conn, Replace: a.what == mapReplace, RequestedBy: a.by()}
		for _, i := range pick(len(s.maps)) {
			args.Pairs = append(args.Pairs, tasks.Pair{Company: s.maps[i].company.String(), ClientID: s.maps[i].client.ID})
		}
		return request{kind: repo.KindMap, maps: args}
	case unmapSome:
		args := tasks.UnmapArgs{Tenant: tenant, ConnectionID: conn, RequestedBy: a.by()}
		for _, i := range pick(len(s.unmaps)) {
			args.MappingIDs = append(args.MappingIDs, s.unmaps[i].mapping.String())
		}
		return request{kind: repo.KindUnmap, un: args}
	case resync:
		return request{kind: repo.KindResync, re: tasks.ResyncArgs{Tenant: tenant, ConnectionID: conn, RequestedBy: a.by()}}
	}
	return request{kind: repo.KindImport, imp: imp}
}

// json returns the arguments of the SQL function.
func (r request) json() ([]byte, error) {
	switch r.kind {
	case repo.KindMap:
		return json.Marshal(r.maps)
	case repo.KindUnmap:
		return json.Marshal(r.un)
	case repo.KindResync:
		return json.Marshal(r.re)
	}
	return json.Marshal(r.imp)
}

// ask requests a run as its argument specifies.
func (e *episode) ask(ctx context.Context, a *ask) {
	var id string
	var joined bool
	var err error
	switch a.way {
	case byRedis:
		var r tasks.Receipt
		r, err = a.throughRedis(ctx, e.queue)
		id, joined = r.RunID, r.Existing
	case bySQL, byRollback:
		id, err = e.throughSQL(ctx, a)
	case byCLI:
		id, err = e.throughCLI(ctx, a)
	default:
		var r engine.Receipt
		r, err = a.throughEngine(ctx, e.engine)
		id, joined = r.RunID, r.Existing
	}
	e.answered(a, id, joined, err)
}

func (e *episode) answered(a *ask, id string, joined bool, err error) {
	e.mu.Lock()
	a.id, a.joined, a.err, a.answer = id, joined, err, time.Now()
	e.mu.Unlock()
	e.note("%s asks for %s by %s at %s: %s existing=%v %v", a.by(), a.what, a.way, a.site.tenant, id, joined, err)
}

func (a *ask) throughRedis(ctx context.Context, c *tasks.Client) (tasks.Receipt, error) {
	switch a.args.kind {
	case repo.KindMap:
		return c.Map(ctx, a.args.maps)
	case repo.KindUnmap:
		return c.Unmap(ctx, a.args.un)
	case repo.KindResync:
		return c.Resync(ctx, a.args.re)
	}
	return c.Import(ctx, a.args.imp)
}

func (a *ask) throughEngine(ctx context.Context, e *engine.Engine) (engine.Receipt, error) {
	conn := a.site.conn.ID.String()
	switch a.args.kind {
	case repo.KindMap:
		return e.RequestMap(ctx, a.site.tenant, engine.MapRequest{
			Connection: conn, Pairs: a.args.maps.Pairs, Replace: a.args.maps.Replace, RequestedBy: a.by(),
		})
	case repo.KindUnmap:
		return e.RequestUnmap(ctx, a.site.tenant, conn, a.args.un.MappingIDs, a.by())
	case repo.KindResync:
		return e.RequestResync(ctx, a.site.tenant, conn, a.by())
	}
	return e.RequestImport(ctx, a.site.tenant, engine.ImportRequest{
		Connection: conn, All: a.args.imp.All, Search: a.args.imp.Search, ClientIDs: a.args.imp.ClientIDs,
		DryRun: a.args.imp.DryRun, RequestedBy: a.by(),
	})
}

// throughSQL requests a run in a transaction, which it may roll back.
func (e *episode) throughSQL(ctx context.Context, a *ask) (string, error) {
	args, err := a.args.json()
	if err != nil {
		return "", err
	}
	tx, err := e.pool.Begin(ctx)
	if err != nil {
		return "", err
	}
	var id uuid.UUID
	err = tx.QueryRow(ctx, `select halosync.enqueue($1, $2, $3, $4, $5)`, a.args.kind, a.site.tenant, a.site.conn.ID, args, a.by()).Scan(&id)
	if err != nil || a.way == byRollback {
		return "", errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
	}
	return engine.RunID(id), tx.Commit(ctx)
}

// throughCLI requests a run with the CLI, as a person would.
func (e *episode) throughCLI(ctx context.Context, a *ask) (string, error) {
	args := []string{"--tenant", a.site.tenant}
	switch a.args.kind {
	case repo.KindMap:
		args = append(args, "map")
		for _, p := range a.args.maps.Pairs {
			args = append(args, fmt.Sprintf("%s=%d", p.Company, p.ClientID))
		}
		if a.args.maps.Replace {
			args = append(args, "--replace")
		}
	case repo.KindResync:
		args = append(args, "resync")
	case repo.KindUnmap: // the command unmaps at once, without a run
		r, err := a.throughEngine(ctx, e.engine)
		return r.RunID, err
	default:
		args = append(args, "import")
		for _, id := range a.args.imp.ClientIDs {
			args = append(args, "--client", fmt.Sprint(id))
		}
		if a.args.imp.All {
			args = append(args, "--all")
		}
		if a.args.imp.Search != "" {
			args = append(args, "--search", a.args.imp.Search)
		}
		if a.args.imp.DryRun {
			args = append(args, "--dry-run")
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(kit.bin, "enqueue"), append(args, "--connection", "halo", "-o", "json")...)
	cmd.Env = append(os.Environ(), e.environment(a.by())...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, errs.String())
	}
	var run struct{ ID string }
	err := json.Unmarshal(out.Bytes(), &run)
	return run.ID, err
}

// known selects one of the runs that callers know. It returns nil if the callers do not
// know any run yet.
func (e *episode) known(a *ask) *ask {
	e.mu.Lock()
	defer e.mu.Unlock()
	var known []*ask
	for _, other := range e.asks {
		if other.accepted() {
			known = append(known, other)
		}
	}
	if len(known) == 0 {
		return nil
	}
	// The latest runs are more likely to be in progress.
	return known[max(0, len(known)-1-a.of%8)]
}

func (e *episode) cancel(ctx context.Context, a *ask) {
	other := e.known(a)
	if other == nil {
		return
	}
	e.mu.Lock()
	e.cancelled[other.id] = true // even after an error, because the request may have arrived
	e.faults["(cancel)"]++
	e.mu.Unlock()
	run, err := e.engine.Cancel(ctx, other.site.tenant, other.id, a.by())
	e.note("%s cancels %s: %s %v", a.by(), other.id, run.State, err)
}

// retry requests a known run again. It returns false if the callers do not know any run
// yet.
func (e *episode) retry(ctx context.Context, a *ask) bool {
	other := e.known(a)
	if other == nil {
		return false
	}
	a.site, a.what, a.way, a.args = other.site, other.what, byRetry, other.args
	e.mu.Lock()
	e.asks = append(e.asks, a)
	e.mu.Unlock()
	r, err := e.engine.Retry(ctx, other.site.tenant, other.id, a.by())
	e.answered(a, r.RunID, r.Existing, err)
	return true
}

// sleepUntil waits until a time in the plan. It returns false if the episode
// ends first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
