// Package suggest executes the runs that compute suggestions: pairs of an unmapped company
// and an unmapped client that may be the same customer. They match by key, by name, by name
// without its legal form, or by similarity.
package suggest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	// maxStatements is the number of runs that compute in Postgres at the same time, one per
	// tenant. Each of them keeps a core of the server busy.
	maxStatements = 2
	// statementWait limits how long a run that has read Halo waits for the others.
	statementWait = 10 * time.Minute
)

// Suggester executes runs that compute suggestions. It is safe for concurrent use.
type Suggester struct {
	store *repo.Store
	dial  *dial.Dialer
	runs  *run.Executor
	// A run keeps its worker slot until it has read the whole list, because the list is only
	// in memory. The limit leaves slots for the imports of other tenants.
	executions *bulkhead.Bulkhead
	statements *bulkhead.Bulkhead
}

// New returns a suggester that executes at most maxRuns runs at the same time, one per
// tenant. The other runs wait in the queue.
func New(store *repo.Store, d *dial.Dialer, runs *run.Executor, maxRuns int) *Suggester {
	return &Suggester{
		store, d, runs,
		bulkhead.New("suggestions", int64(maxRuns), 1), bulkhead.New("heavy_statements", maxStatements, 1),
	}
}

// Bulkheads returns the limits of runs and of statements.
func (s *Suggester) Bulkheads() []*bulkhead.Bulkhead {
	return []*bulkhead.Bulkhead{s.executions, s.statements}
}

// Suggest executes a run that computes suggestions; see [run.Execute] for what it returns.
// It stores pairs of unmapped companies and unmapped, active clients, using Halo's current
// list of clients, and leaves out pairs that a person dismissed or unmapped. The list
// replaces the connection's former list at once. If Halo's list cannot be read to the end,
// the former list remains.
func (s *Suggester) Suggest(ctx context.Context, job tasks.Job[tasks.SuggestArgs]) (tasks.RunResult, error) {
	return run.Execute(ctx, s.runs, repo.KindSuggest, job, func(ctx context.Context, claimed *run.Execution) (run.Result, error) {
		release, err := s.executions.Acquire(ctx, 0, claimed.Ref.Tenant, 1)
		if err != nil {
			return run.Result{}, err
		}
		defer release()
		_, api, err := s.dial.Open(ctx, claimed.Ref.Tenant, claimed.Ref.ConnectionID, dial.ClassOf(tasks.Suggest().Queue(job.Args)))
		if err != nil {
			return run.Result{}, err
		}
		x := execution{Suggester: s, api: api, run: claimed}
		return x.execute(ctx)
	})
}

// execution is one execution of a run.
type execution struct {
	*Suggester
	api *halo.API
	run *run.Execution

	clients []halo.Client
	pages   int
}

// errCancelled ends the reading of a cancelled run.
var errCancelled = errors.New("cancelled")

var cancelled = run.Result{State: repo.StateCancelled, Reason: "cancelled"}

func (x *execution) execute(ctx context.Context) (run.Result, error) {
	doubt, err := x.read(ctx)
	switch {
	case errors.Is(err, errCancelled):
		return cancelled, nil
	case err != nil:
		return run.Result{}, err
	}
	list, err := x.compute(ctx)
	if err != nil {
		return run.Result{}, err
	}
	end := run.Result{State: repo.StateSucceeded, Complete: true}
	if doubt != "" {
		end = run.Result{State: repo.StatePartial, Reason: "clients may be missing: " + doubt}
		list.Notices = append([]string{end.Reason}, list.Notices...)
	}
	stop, err := x.store.StoreSuggestions(ctx, x.run.Ref, list)
	switch {
	case err != nil:
		return run.Result{}, err
	case stop:
		return cancelled, nil
	}
	x.run.Wrote(x.pages, list.Read)
	return end, nil
}

// read lists Halo's active clients except the "Unknown" one. Like an import, it reads the
// list again if the list changes meanwhile, because a missed client could make a pair
// ambiguous. The result doubt is the reason why clients may still be missing, or empty if
// the list is proved complete.
func (x *execution) read(ctx context.Context) (doubt string, err error) {
	whole := proof.List{Query: halo.Query{VerifyTail: true}, Stop: func() error { return x.afterPage(ctx) }}
	return whole.Read(ctx, x.api, func(c halo.Client, isNew bool) {
		if isNew && !c.Inactive && c.ID != proof.UnknownClientID {
			x.clients = append(x.clients, c)
		}
	})
}

// afterPage records the progress. It returns an error if the run should stop.
func (x *execution) afterPage(ctx context.Context) error {
	select {
	case <-x.run.Draining():
		return run.ErrDraining
	default:
	}
	x.pages++
	stop, err := x.store.SuggestProgress(ctx, x.run.Ref, x.pages, len(x.clients))
	if err == nil && stop {
		return errCancelled
	}
	return err
}

// compute pairs the clients with companies in Postgres. It stops if the worker stops.
func (x *execution) compute(ctx context.Context) (repo.SuggestionList, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-x.run.Draining():
			cancel(run.ErrDraining)
		case <-ctx.Done():
		}
	}()
	list, err := x.pairs(ctx)
	if err != nil && errors.Is(context.Cause(ctx), run.ErrDraining) {
		err = run.ErrDraining
	}
	return list, err
}

func (x *execution) pairs(ctx context.Context) (repo.SuggestionList, error) {
	release, err := x.statements.Acquire(ctx, statementWait, x.run.Ref.Tenant, 1)
	if err != nil {
		return repo.SuggestionList{}, err
	}
	defer release()
	clientNames := make(map[int64]string, len(x.clients))
	candidates := make([]repo.SuggestClient, len(x.clients))
	for i, c := range x.clients {
		norm := names.Normalise(c.Name)
		stem, form := names.StripLegalForm(norm)
		clientNames[c.ID] = c.Name
		candidates[i] = repo.SuggestClient{ID: c.ID, Norm: norm, Stem: stem, Form: form, Ref: c.Ref, AccountsID: c.AccountsID}
	}
	found, err := x.store.Suggest(ctx, x.run.Ref.Tenant, x.run.Ref.ConnectionID, candidates, repo.SuggestOptions{
		Split: names.StripLegalForm, Similar: minSimilar, SimilarWithNumber: similarWithNumber, PerClient: perClient,
	})
	if err != nil {
		return repo.SuggestionList{}, err
	}
	list := repo.SuggestionList{Pairs: rank(found.Pairs, clientNames), Read: len(x.clients)}
	if !found.Similar {
		list.Notices = append(list.Notices, "similar names need the Postgres extension pg_trgm: create extension pg_trgm")
	}
	if n := len(list.Pairs); n > repo.MaxSuggestions {
		list.Pairs = list.Pairs[:repo.MaxSuggestions]
		list.Notices = append(list.Notices, fmt.Sprintf("only the best %d of %d pairs are kept: decide on them, then request the suggestions again", repo.MaxSuggestions, n))
	}
	return list, nil
}
