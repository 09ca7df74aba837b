package engine

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

// byIDChunk is how many clients that are read one by one share a transaction.
const byIDChunk = 25

// readByID reads the chosen clients that no listing has shown, one by one: a
// listing can miss a client, a 404 cannot.
func (im *importer) readByID(ctx context.Context) (ending, error) {
	var rest []int64
	for _, id := range im.args.ClientIDs {
		if !im.handled.Has(id) {
			rest = append(rest, id)
		}
	}
	im.total = len(im.args.ClientIDs)
	for len(rest) > 0 {
		chunk := rest[:min(byIDChunk, len(rest))]
		rest = rest[len(chunk):]
		clients, skips, err := im.fetch(ctx, chunk)
		if err != nil {
			return ending{}, err
		}
		im.cur.ByID += len(chunk)
		im.cur.Complete = true
		cancelled, err := im.write(ctx, pagePart{pass: byIDPass, page: im.cur.ByID, pages: 1, clients: clients, ids: chunk, skips: skips})
		if err != nil {
			return ending{}, err
		}
		if cancelled {
			return ending{state: repo.StateCancelled, reason: fmt.Sprintf("cancelled after %d clients", im.cur.ByID)}, nil
		}
		if len(rest) == 0 {
			break
		}
		if err := im.turn.over(ctx); err != nil {
			return ending{}, err
		}
	}
	return ending{state: repo.StateSucceeded, complete: true}, nil
}

// byIDPass keeps the ids that were read one by one apart from those of the
// passes over a listing, which count from 1.
const byIDPass = 0

// byIDWindow is how many clients are asked for at the same time.
const byIDWindow = 4

// fetch reads clients by id. One that does not exist, or that the
// application's agent may not see, becomes an item for the person who chose it.
func (im *importer) fetch(ctx context.Context, ids []int64) ([]halo.Client, []repo.RunItem, error) {
	clients := make([]halo.Client, len(ids))
	items := make([]*repo.RunItem, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(byIDWindow)
	for i, id := range ids {
		group.Go(caught(func() (err error) {
			clients[i], err = im.api.Client(ctx, id)
			switch {
			case errors.Is(err, halo.ErrNotFound):
				items[i] = &repo.RunItem{ClientID: id, Outcome: repo.Skipped, Reason: "does not exist in Halo"}
			case errors.Is(err, halo.ErrForbidden):
				items[i] = &repo.RunItem{ClientID: id, Outcome: repo.Failed, Reason: "the application's agent may not read it"}
			default:
				return err
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}

	var found []halo.Client
	var skips []repo.RunItem
	for i, c := range clients {
		if items[i] != nil {
			skips = append(skips, *items[i])
			continue
		}
		found = append(found, c)
	}
	return found, skips, nil
}
