package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/halosync/halosync/halo"
)

// mostBroken is how many clients of a chunk may fail with Halo's own errors
// while the others can be read. More of them are an outage.
const mostBroken = 5

// readIDs reads clients by id. One that does not exist, or may not be read,
// is an answer. So is one on which Halo itself fails time and again, as long
// as it works otherwise: a broken record must not hold up the others for a
// day. A Halo that is down, throttles or refuses the credentials is an error.
func (l *lookup) readIDs(ctx context.Context, ids []int64) error {
	broken, err := l.readAll(ctx, ids)
	if err != nil || len(broken) == 0 {
		return err
	}
	if len(broken) > mostBroken {
		return anyOf(broken)
	}
	// It may have been an outage of some seconds: what fails again between two
	// proofs that Halo answers is broken.
	if err := proveAlive(ctx, l.api); err != nil {
		return err
	}
	again := make([]int64, 0, len(broken))
	for id := range broken {
		again = append(again, id)
	}
	if broken, err = l.readAll(ctx, again); err != nil || len(broken) == 0 {
		return err
	}
	if err := proveAlive(ctx, l.api); err != nil {
		return err
	}
	for id, err := range broken {
		l.byID[id] = answer{refusal: fmt.Sprintf("client %d could not be read: %v", id, err)}
	}
	return nil
}

// proveAlive asks Halo for one client of its list.
func proveAlive(ctx context.Context, api *halo.API) error {
	_, err := api.Page(ctx, halo.Query{IncludeInactive: true, PageSize: 1}, 1)
	return err
}

func anyOf(errs map[int64]error) error {
	for _, err := range errs {
		return err
	}
	return nil
}

// readAll reads clients by id, some at a time, and returns those on which
// Halo itself failed.
func (l *lookup) readAll(ctx context.Context, ids []int64) (broken map[int64]error, err error) {
	answers, failures := make([]answer, len(ids)), make([]error, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(byIDWindow)
	for i, id := range ids {
		group.Go(caught(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c, err := l.api.Client(ctx, id)
			if err != nil && isBroken(err) {
				failures[i] = err
				return nil
			}
			answers[i], err = answerOf(id, c, err)
			return err
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	broken = make(map[int64]error)
	for i, id := range ids {
		if failures[i] != nil {
			broken[id] = failures[i]
			continue
		}
		l.byID[id] = answers[i]
	}
	return broken, nil
}

// answerOf turns what is about one client alone into an answer.
func answerOf(id int64, c halo.Client, err error) (answer, error) {
	switch {
	case errors.Is(err, halo.ErrNotFound):
		return answer{refusal: fmt.Sprintf("client %d does not exist in Halo", id)}, nil
	case errors.Is(err, halo.ErrForbidden):
		return answer{refusal: fmt.Sprintf("the application's agent may not read client %d", id)}, nil
	case errors.Is(err, halo.ErrInvalid):
		return answer{refusal: fmt.Sprintf("Halo does not accept %d as a client's id", id)}, nil
	}
	return answer{Client: row(c)}, err
}

// isBroken says whether an error may be about one client alone although Halo
// itself failed: a 5xx, or an answer that makes no sense.
func isBroken(err error) bool {
	herr, ok := errors.AsType[*halo.Error](err)
	if !ok || ofToken(err) {
		return false
	}
	return herr.Status >= http.StatusInternalServerError ||
		errors.Is(err, halo.ErrNotHalo) || errors.Is(err, halo.ErrTooLarge)
}

// ofToken says whether an error is the token call's, and so about the whole
// connection.
func ofToken(err error) bool {
	herr, ok := errors.AsType[*halo.Error](err)
	return ok && herr.Op == halo.OpToken
}
