package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

// ceiling is how many of a connection's mappings one resync may mark missing:
// 20, or a tenth if that is more, or as many as a person has approved.
func ceiling(mappings, approved int) int { return max(20, mappings/10, approved) }

// reading is what asking for one client by its id came to.
type reading struct {
	client  halo.Client
	finding *repo.Finding // the client cannot be shown
	// broken says that the answer tells nothing of this client if Halo answers
	// all others so, too.
	broken bool
}

// judgeReading says what an error of reading one client means for its mapping.
// ok is false if it is about Halo as a whole.
func judgeReading(id int64, c halo.Client, err error) (r reading, ok bool) {
	absent := func(outcome, reason string) *repo.Finding {
		return &repo.Finding{ClientID: id, Outcome: outcome, Reason: reason}
	}
	switch {
	case err == nil:
		return reading{client: c}, true
	case errors.Is(err, halo.ErrNotFound):
		return reading{finding: absent(repo.FoundMissing, "does not exist in Halo any more")}, true
	case errors.Is(err, halo.ErrForbidden):
		return reading{finding: absent(repo.FoundUnverified, "the application's agent may not read it (status 403)")}, true
	case isBroken(err), errors.Is(err, halo.ErrInvalid) && !ofToken(err):
		return reading{finding: absent(repo.FoundUnverified, err.Error()), broken: true}, true
	}
	return reading{}, false
}

// readClients asks for clients one by one. If no answer is of use, Halo itself
// is asked for a sign of life before the clients are blamed.
func readClients(ctx context.Context, api *halo.API, ids []int64) (found []halo.Client, absent []repo.Finding, err error) {
	readings := make([]reading, len(ids))
	var useful atomic.Bool
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(byIDWindow)
	for i, id := range ids {
		group.Go(caught(func() error {
			c, err := api.Client(gctx, id)
			r, ok := judgeReading(id, c, err)
			if !ok {
				return err
			}
			readings[i] = r
			if !r.broken {
				useful.Store(true)
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	if !useful.Load() {
		if err := proveAlive(ctx, api); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range readings {
		if r.finding != nil {
			absent = append(absent, *r.finding)
			continue
		}
		found = append(found, r.client)
	}
	return found, absent, nil
}

// witnesses is how many listed clients are tried before it is concluded that
// reading by id tells nothing.
const witnesses = 3

// trustworthy says why the absence of clients cannot be believed, or nothing.
// An agent that has lost its rights gets an empty list and 404 for each id; a
// gateway may lose the route to single clients. So Halo must show clients in a
// list, and one of those under its id.
func trustworthy(ctx context.Context, api *halo.API) (reason string, err error) {
	page, err := api.Page(ctx, halo.Query{IncludeInactive: true}, 1)
	if err != nil {
		return "", err
	}
	if len(page.Clients) == 0 {
		return "Halo showed no client at all: the application's agent probably may not read customers", nil
	}
	for _, c := range page.Clients[:min(witnesses, len(page.Clients))] {
		_, err := api.Client(ctx, c.ID)
		if err == nil {
			return "", nil
		}
		if _, ok := judgeReading(c.ID, halo.Client{}, err); !ok {
			return "", err
		}
	}
	return fmt.Sprintf("Halo lists client %d and does not show it by its id, so absence proves nothing", page.Clients[0].ID), nil
}
