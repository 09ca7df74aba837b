// Package problem maps each error to an HTTP status, a code for programs, a title and
// advice. The API, the console, the command line and doctor each render the result in
// their own way.
package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// A Problem is an error in the form shown to a person. Its strings contain no control
// characters.
type Problem struct {
	Status int
	Code   string // stable, for programs, such as "halo-credentials"
	Title  string // what happened, in a few words
	Detail string // message of the error; empty if only the log may contain it
	Advice string // what to do: clauses without a capital or a period; may be empty
	// RetryAfter is how long to wait before repeating the request; 0 if unknown.
	RetryAfter time.Duration
}

// Internal is the code of a problem that only a developer can fix.
const Internal = "internal"

// These errors end a request before it reaches a use case.
var (
	// ErrNotSignedIn means that the request has no principal.
	ErrNotSignedIn = errors.New("not signed in")
	// ErrNoPage means that nothing exists at the URL.
	ErrNoPage = errors.New("no such page")
)

// An InputError reports what is wrong with a field of a request.
type InputError struct {
	Place  string // path of the field, such as "query.after"; may be empty
	Reason string
}

func (e *InputError) Error() string { return e.Reason }

// A ScopeError means that the principal lacks a scope.
type ScopeError struct{ Need string }

func (e *ScopeError) Error() string { return fmt.Sprintf("scope %s is needed", e.Need) }

// row is a problem and the errors that it describes.
type row struct {
	is     func(error) bool
	detail bool // show the message of the error
	as     Problem
}

// table lists every error that a person can see. The first matching row applies; an
// error without a row is internal.
var table = []row{
	{is(ErrNotSignedIn), false, Problem{
		Status: 401, Code: "not-signed-in", Title: "You are not signed in",
		Advice: "sign in, then try again",
	}},
	{is(ErrNoPage), false, Problem{
		Status: 404, Code: "no-page", Title: "Page not found",
		Advice: "it may have been removed, or the address is mistyped",
	}},
	{isA[*InputError], true, Problem{Status: 422, Code: "input", Title: "Some input is missing or invalid"}},
	{isA[*http.MaxBytesError], false, Problem{
		Status: 413, Code: "too-large", Title: "The request is too large",
		Advice: "send less at once",
	}},

	{isConflict, true, Problem{Status: 409, Code: "conflict", Title: "This is not possible at the moment"}},
	{isA[*engine.UsageError], true, Problem{Status: 422, Code: "usage", Title: "This request is not valid"}},
	{is(repo.ErrChanged), false, Problem{
		Status: 412, Code: "changed", Title: "Someone else changed this since you opened it",
		Advice: "nothing was saved; open it again to see the change, then repeat yours if it still makes sense",
	}},
	{is(repo.ErrNotHeld), false, Problem{
		Status: 409, Code: "not-held", Title: "The run is not held",
		Advice: "only a held run can be approved; check its current state",
	}},
	{is(repo.ErrNotFound), false, Problem{
		Status: 404, Code: "not-found", Title: "Not found",
		Advice: "it may have been removed",
	}},
	{is(repo.ErrConflict), true, Problem{
		Status: 409, Code: "exists", Title: "This already exists",
		Advice: "choose another name, or use the existing one",
	}},
	{is(repo.ErrInvalid), true, Problem{
		Status: 422, Code: "invalid", Title: "This cannot be saved",
		Advice: "correct it and try again",
	}},
	{isA[*repo.BusyError], true, Problem{
		Status: 409, Code: "busy", Title: "Another run is active",
		Advice: "wait until it has ended",
	}},
	{is(repo.ErrEnded), true, Problem{Status: 409, Code: "ended", Title: "The run has ended"}},
	{is(repo.ErrRequestInProgress), true, Problem{
		Status: 409, Code: "in-progress", Title: "The same request is in progress",
		Advice:     "repeat it in a moment to get its answer",
		RetryAfter: time.Second,
	}},
	{is(repo.ErrKeyReused), true, Problem{
		Status: 422, Code: "key-reused", Title: "The key was used for another request",
		Advice: "use a new key for each request",
	}},
	{is(repo.ErrLocked), false, Problem{
		Status: 503, Code: "locked", Title: "Another change is still in progress",
		Advice:     "nothing was changed; try again in a moment",
		RetryAfter: 2 * time.Second,
	}},
	{isTenantFull, false, Problem{
		Status: 429, Code: "busy-tenant", Title: "Too many requests of your organisation are in progress",
		Advice:     "wait until some of them have ended, then try again",
		RetryAfter: 5 * time.Second,
	}},
	{isA[*bulkhead.FullError], false, Problem{
		Status: 503, Code: "busy-worker", Title: "This worker is busy",
		Advice:     "try again in a moment",
		RetryAfter: 5 * time.Second,
	}},
	{is(halo.ErrBusy), false, Problem{
		Status: 503, Code: "busy-memory", Title: "Too many large answers are being read",
		Advice:     "try again in a moment, or request fewer clients with a search or a smaller page",
		RetryAfter: 10 * time.Second,
	}},
	{is(repo.ErrUnavailable), false, Problem{
		Status: 503, Code: "database", Title: "The database is unavailable",
		Advice:     "nothing was changed; try again in a moment",
		RetryAfter: 5 * time.Second,
	}},
	{is(secret.ErrUnknownKey), true, Problem{
		Status: 503, Code: "unknown-key", Title: "This worker does not have the key for the credentials yet",
		Advice:     "try again in a moment",
		RetryAfter: 5 * time.Second,
	}},
	{is(secret.ErrOpen), true, Problem{
		Status: 502, Code: "sealed", Title: "The stored credentials cannot be decrypted",
		Advice: "check both addresses, the client ID and the tenant name of the connection, then enter the client secret again",
	}},

	{isA[*ratelimit.BudgetError], true, Problem{
		Status: 429, Code: "budget", Title: "The request budget of this Halo PSA is used up",
		Advice: "wait a few minutes, then try again",
	}},
	{is(halo.ErrThrottled), true, Problem{
		Status: 429, Code: "halo-throttled", Title: "Halo PSA limits requests",
		Advice: "wait a few minutes, then try again",
	}},
	{is(engine.ErrNoClients), true, Problem{
		Status: 502, Code: "halo-no-clients", Title: "Halo PSA shows no client",
		Advice: "give the application's agent in Halo the right to read customers",
	}},
	{is(halo.ErrCredentials), true, Problem{
		Status: 502, Code: "halo-credentials", Title: "Halo PSA does not accept the credentials",
		Advice: "check client ID, client secret and tenant name in Halo (Configuration, Integrations, HaloPSA API), and update the connection",
	}},
	{is(halo.ErrUnauthorized), true, Problem{
		Status: 502, Code: "halo-token", Title: "Halo PSA does not accept its own token",
		Advice: "check that the resource server and the authorisation server belong to the same Halo, and that the application has the permission read:customers",
	}},
	{is(halo.ErrForbidden), true, Problem{
		Status: 502, Code: "halo-forbidden", Title: "Halo PSA refuses access",
		Advice: "give the application in Halo the permission read:customers, and its agent the right to read customers",
	}},
	{isSilence, true, Problem{
		Status: 504, Code: "halo-silent", Title: "Halo PSA does not answer",
		Advice: "check that the host name is right and can be reached from here, then try again",
	}},
	{is(halo.ErrUnavailable), true, Problem{
		Status: 502, Code: "halo-unavailable", Title: "Halo PSA has a problem",
		Advice: "nothing was changed; try again in a few minutes; if the problem persists, check the tenant name",
	}},
	{is(halo.ErrNoToken), true, Problem{
		Status: 502, Code: "halo-no-token", Title: "The authorisation server issues no token",
		Advice: "check its address, which usually ends in /auth; if you know the address of the token endpoint, enter it in full, ending in /token",
	}},
	{is(halo.ErrNotHalo), true, Problem{
		Status: 502, Code: "not-halo", Title: "The answer is not from Halo PSA",
		Advice: "check the two addresses of the connection: the authorisation server usually ends in /auth, the resource server in /api",
	}},
	{is(halo.ErrTooLarge), true, Problem{
		Status: 502, Code: "halo-too-large", Title: "The answer from Halo PSA is too large",
		Advice: "request fewer clients with a search or a smaller page",
	}},
	{is(halo.ErrNotFound), true, Problem{
		Status: 502, Code: "halo-not-found", Title: "Halo PSA has no such record",
		Advice: "it may have been deleted in Halo; otherwise check the connection's resource server, which usually ends in /api",
	}},
	{is(halo.ErrInvalid), true, Problem{
		Status: 502, Code: "halo-invalid", Title: "Halo PSA refused the request",
		Advice: "try other words or a smaller page",
	}},
	{is(halo.ErrRefused), true, Problem{
		Status: 422, Code: "address-refused", Title: "This address is not allowed",
		Advice: "nothing was sent; if the address is private, add it to HALOSYNC_ALLOW_HOSTS",
	}},
	{is(context.DeadlineExceeded), false, Problem{
		Status: 504, Code: "timeout", Title: "The request took too long",
		Advice: "try again in a moment",
	}},
	{is(context.Canceled), false, Problem{
		Status: 503, Code: "canceled", Title: "The request was canceled",
		Advice:     "try again",
		RetryAfter: 5 * time.Second,
	}},
}

// Of returns the problem that describes an error. For an unknown error, the code is
// [Internal] and the detail is empty, because only the log may contain the message.
func Of(err error) Problem {
	p := Problem{Status: http.StatusInternalServerError, Code: Internal, Title: "Something went wrong", Advice: "the error was logged; try again"}
	if missing, ok := errors.AsType[*engine.NotFoundError](err); ok {
		return Problem{
			Status: http.StatusNotFound, Code: "not-found", Title: "There is no such " + missing.What,
			Detail: plaintext.PrintableLines(fmt.Sprintf("%s %.200q does not exist", missing.What, missing.Name)),
		}
	}
	if scope, ok := errors.AsType[*ScopeError](err); ok {
		return Problem{Status: http.StatusForbidden, Code: "scope", Title: "You do not have permission", Advice: fmt.Sprintf("use an API key with the scope %q", scope.Need)}
	}
	for _, r := range table {
		if r.is(err) {
			p = r.as
			if r.detail {
				p.Detail = plaintext.PrintableLines(withoutCommands(err))
			}
			break
		}
	}
	if budget, ok := errors.AsType[*ratelimit.BudgetError](err); ok {
		p.RetryAfter = budget.After
	} else if after, ok := halo.RetryAfter(err); ok {
		p.RetryAfter = after
	}
	// If Halo refuses credentials from the request, the input is invalid. Stored
	// credentials are not input.
	if probe, ok := errors.AsType[*engine.ProbeError](err); ok && !probe.Stored && p.Status == http.StatusBadGateway && !errors.Is(err, halo.ErrUnavailable) {
		p.Status = http.StatusUnprocessableEntity
	}
	return p
}

// Text returns the problem in one line: the detail (or, if that is empty, the title)
// followed by the advice.
func (p Problem) Text() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.Advice == "" {
		return text
	}
	return text + "; " + p.Advice
}

// withoutCommands returns the message of an error without the clauses that name commands.
func withoutCommands(err error) string {
	var kept []string
	for clause := range strings.SplitSeq(err.Error(), "; ") {
		if !strings.Contains(clause, `"enqueue `) {
			kept = append(kept, clause)
		}
	}
	return strings.Join(kept, "; ")
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isConflict reports whether the state of a record prevents the request.
func isConflict(err error) bool {
	usage, ok := errors.AsType[*engine.UsageError](err)
	return ok && usage.Conflict
}

// isTenantFull reports whether a tenant has used up its own part of something.
func isTenantFull(err error) bool {
	full, ok := bulkhead.IsFull(err)
	return ok && full.Tenant
}

// isSilence reports whether Halo sent no response at all.
func isSilence(err error) bool {
	e, ok := errors.AsType[*halo.Error](err)
	return ok && e.Status == 0 && errors.Is(err, halo.ErrUnavailable)
}
