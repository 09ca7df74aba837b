package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// rule says which status an error has, and what to do about it.
type rule struct {
	is     func(error) bool
	status int
	todo   string
}

// rules is the one table of errors and statuses; the first that fits counts.
// What fits none is ours to mend, a 500.
var rules = []rule{
	{isConflict, http.StatusConflict, ""},
	{isA[*engine.UsageError], http.StatusUnprocessableEntity, ""},
	{isA[*engine.NotFoundError], http.StatusNotFound, ""},
	{is(repo.ErrChanged), http.StatusPreconditionFailed, "read it again, and see whether your change still makes sense"},
	{is(repo.ErrNotFound), http.StatusNotFound, ""},
	{is(repo.ErrConflict), http.StatusConflict, ""},
	{is(repo.ErrInvalid), http.StatusUnprocessableEntity, ""},
	{isA[*repo.BusyError], http.StatusConflict, "wait until it has ended"},
	{is(repo.ErrEnded), http.StatusConflict, ""},
	{is(repo.ErrBusy), http.StatusConflict, "ask again in a moment for its answer"},
	{is(repo.ErrOtherRequest), http.StatusUnprocessableEntity, "take a new key for each request"},
	{is(repo.ErrUnavailable), http.StatusServiceUnavailable, "our database is not available: try again in a moment"},
	{is(secret.ErrUnknownKey), http.StatusServiceUnavailable, ""},
	{is(secret.ErrOpen), http.StatusBadGateway, ""},
	{isA[*ratelimit.BudgetError], http.StatusTooManyRequests, "other work uses this Halo: try again then"},
	{is(halo.ErrThrottled), http.StatusTooManyRequests, "Halo limits requests just now: try again later"},
	{isRefusedProbe, http.StatusUnprocessableEntity, ""},
	{is(halo.ErrCredentials), http.StatusBadGateway, "Halo refuses the connection's credentials: give it new ones"},
	{isAny(halo.ErrUnauthorized, halo.ErrForbidden), http.StatusBadGateway, "give the application at Halo the permission read:customers, and its agent the right to read customers"},
	{isSilence, http.StatusGatewayTimeout, "Halo does not answer: check that it can be reached, and try again"},
	{is(halo.ErrUnavailable), http.StatusBadGateway, "Halo has a problem: try again later"},
	{isA[*halo.Error], http.StatusBadGateway, "check the connection's addresses"},
	{is(halo.ErrRefused), http.StatusBadGateway, "nothing was sent: check the connection's addresses"},
	{isA[*engine.ProbeError], http.StatusBadGateway, ""},
	{is(context.DeadlineExceeded), http.StatusGatewayTimeout, "it took too long: try again later"},
	{is(context.Canceled), http.StatusServiceUnavailable, "the request was broken off"},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func isAny(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isConflict: the state of something is in the way.
func isConflict(err error) bool {
	usage, ok := errors.AsType[*engine.UsageError](err)
	return ok && usage.Conflict
}

// isRefusedProbe: Halo answered, and does not accept what the caller gave.
// A probe of what is stored already is a [storedError] and is not meant.
func isRefusedProbe(err error) bool {
	return isA[*engine.ProbeError](err) && !isA[*storedError](err) &&
		!isAny(halo.ErrUnavailable, context.DeadlineExceeded, context.Canceled)(err)
}

// isSilence: nothing came from Halo at all.
func isSilence(err error) bool {
	e, ok := errors.AsType[*halo.Error](err)
	return ok && e.Status == 0 && errors.Is(err, halo.ErrUnavailable)
}

// storedError is the failed test of credentials that the caller did not give.
type storedError struct{ error }

func (e *storedError) Unwrap() error { return e.error }

// problemOf translates an error into what the caller is told.
func (h *Handler) problemOf(err error) error {
	if f, ok := errors.AsType[*faultError](err); ok {
		return f.asProblem()
	}
	for _, r := range rules {
		if !r.is(err) {
			continue
		}
		p := problem(r.status, told(err, r.todo))
		if after := again(err, r.status); after > 0 {
			seconds := strconv.Itoa(int((after + time.Second - 1) / time.Second))
			return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {seconds}})
		}
		return p
	}
	return h.internal(err)
}

// told is the text of an error for the caller, with what to do.
func told(err error, todo string) string {
	text := err.Error()
	switch notFound, ok := errors.AsType[*engine.NotFoundError](err); {
	case ok: // its hint is for the command line
		text = fmt.Sprintf("%s %.200q does not exist", notFound.What, notFound.Name)
	case errors.Is(err, repo.ErrUnavailable): // the driver's words are ours to know
		return todo
	}
	if isA[*engine.ProbeError](err) || todo == "" {
		return plaintext.PrintableLines(text)
	}
	return plaintext.PrintableLines(text + "; " + todo)
}

// again is after how long the same may work; 0: nobody knows.
func again(err error, status int) time.Duration {
	if budget, ok := errors.AsType[*ratelimit.BudgetError](err); ok {
		return budget.After
	}
	if after, ok := halo.RetryAfter(err); ok {
		return after
	}
	switch {
	case errors.Is(err, repo.ErrBusy):
		return time.Second
	case status == http.StatusServiceUnavailable:
		return 5 * time.Second
	}
	return 0
}
