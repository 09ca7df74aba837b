package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/halosync/halosync/halo"
)

// UnknownClientID is, by convention, the id of Halo's catch-all client for unmatched
// records. It is not a company (topleft-team/django-psa).
const UnknownClientID = 1

// window is the number of clients read by id at the same time.
const window = 4

// Status is the result of reading one client by its id.
type Status int

// The statuses of a [Reading].
const (
	Found     Status = iota
	Missing          // 404 or 410: it does not exist, or the agent is not permitted to read it
	Forbidden        // 403, or 401 although the token is valid: the agent is not permitted to read it
	Invalid          // Halo does not accept the id
	Broken           // a 5xx or an invalid answer: Halo fails for this client or for all clients
)

// A Reading is the outcome of reading one client by its id.
type Reading struct {
	ID     int64
	Client halo.Client // if Status is Found
	Status Status
	Err    error // if Status is not Found
}

// Client reads one client by its id. It returns an error only if the failure may affect
// all clients, as a token error does.
//
// Some of Halo's routes answer 401 if a right is missing (halocli). So after a 401, Client
// checks the token with a request for the list. If that works, only this client is refused.
func Client(ctx context.Context, api *halo.API, id int64) (Reading, error) {
	c, err := api.Client(ctx, id)
	r := Reading{ID: id, Client: c, Err: err}
	herr, ok := errors.AsType[*halo.Error](err)
	switch {
	case err == nil:
		return r, nil
	case IsTokenError(err):
		return r, err
	case errors.Is(err, halo.ErrNotFound):
		r.Status = Missing
	case errors.Is(err, halo.ErrForbidden):
		r.Status = Forbidden
	case errors.Is(err, halo.ErrUnauthorized):
		r.Status = Forbidden
		return r, Alive(ctx, api)
	case errors.Is(err, halo.ErrInvalid):
		r.Status = Invalid
	case ok && (herr.Status >= http.StatusInternalServerError || errors.Is(err, halo.ErrNotHalo) || errors.Is(err, halo.ErrTooLarge)):
		r.Status = Broken
	default:
		return r, err
	}
	return r, nil
}

// ByID reads each client by its id, a few at the same time, and returns the readings in
// order. It returns the first error that may affect all clients.
func ByID(ctx context.Context, api *halo.API, ids []int64) ([]Reading, error) {
	readings := make([]Reading, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(window)
	for i, id := range ids {
		group.Go(Catch(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			readings[i], err = Client(ctx, api, id)
			return err
		}))
	}
	return readings, group.Wait()
}

// Alive reads one client from Halo's list. An error means that Halo itself is failing.
func Alive(ctx context.Context, api *halo.API) error {
	_, err := api.Page(ctx, halo.Query{IncludeInactive: true, PageSize: 1}, 1)
	return err
}

// witnesses is the maximum number of listed clients that [Absence] reads by id. If none is
// found, reading by id proves nothing.
const witnesses = 3

// Absence checks whether a 404 proves that a client no longer exists. The result doubt says
// why a 404 proves nothing; it is empty if a 404 is conclusive. An agent that has lost its
// rights gets an empty list and a 404 for each id, and a gateway may lose the route to
// single clients. So Halo must list clients and return one of them by its id.
func Absence(ctx context.Context, api *halo.API) (doubt string, err error) {
	page, err := api.Page(ctx, halo.Query{IncludeInactive: true}, 1)
	if err != nil {
		return "", err
	}
	if len(page.Clients) == 0 {
		return "Halo returned no clients: the application's agent probably lacks the right to read customers", nil
	}
	for _, c := range page.Clients[:min(witnesses, len(page.Clients))] {
		r, err := Client(ctx, api, c.ID)
		if err != nil {
			return "", err
		}
		if r.Status == Found {
			return "", nil
		}
	}
	return fmt.Sprintf("Halo lists client %d but does not show it by its id, so a missing client proves nothing", page.Clients[0].ID), nil
}

// Up to fewIDs clients are read one by one without first reading the length of the list.
const fewIDs = 20

// ListPages returns the number of pages of the list, or 0 if reading the wanted clients one
// by one takes no more requests than that.
func ListPages(ctx context.Context, api *halo.API, query halo.Query, wanted int) (int, error) {
	if wanted <= fewIDs {
		return 0, nil
	}
	page, err := api.Page(ctx, query, 1)
	if err != nil || page.Rows == 0 {
		return 0, err
	}
	if pages := page.RecordCount/page.Rows + 1; wanted > pages+1 {
		return pages, nil
	}
	return 0, nil
}

// IsTokenError reports whether err comes from fetching a token. Such an error affects the
// whole connection.
func IsTokenError(err error) bool {
	herr, ok := errors.AsType[*halo.Error](err)
	return ok && herr.Op == halo.OpToken
}

// All reports whether every reading has one of the statuses.
func All(readings []Reading, statuses ...Status) bool {
	return !slices.ContainsFunc(readings, func(r Reading) bool { return !slices.Contains(statuses, r.Status) })
}

// A PanicError is a panic that [Catch] has caught.
type PanicError struct {
	Value any
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Catch returns a function that calls f and returns a panic as a [*PanicError]. In a
// separate goroutine, an uncaught panic would end the process and all its runs.
func Catch(f func() error) func() error {
	return func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = &PanicError{p, string(debug.Stack())}
			}
		}()
		return f()
	}
}
