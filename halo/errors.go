package halo

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kinds of an [Error], for [errors.Is].
var (
	// ErrCredentials: the authorisation server does not accept client ID and
	// secret.
	ErrCredentials = errors.New("credentials rejected")
	// ErrUnauthorized: the API answered 401 to a token that had just been
	// issued.
	ErrUnauthorized = errors.New("token rejected")
	// ErrForbidden: 403; the application or its agent lacks a right.
	ErrForbidden = errors.New("access denied")
	// ErrNotFound: 404 from the API, never from the authorisation server.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: any other 4xx, or arguments that were not sent at all.
	ErrInvalid = errors.New("invalid request")
	// ErrThrottled: 429; see [RetryAfter].
	ErrThrottled = errors.New("too many requests")
	// ErrUnavailable: 5xx, 408, timeouts, broken connections, DNS.
	ErrUnavailable = errors.New("unavailable")
	// ErrNotHalo: something answered that does not speak Halo's API: HTML, a
	// redirect, JSON of another shape.
	ErrNotHalo = errors.New("not an answer of Halo's API")
	// ErrTooLarge: the answer is beyond the bounds on bytes or rows.
	ErrTooLarge = errors.New("answer too large")
	// ErrRefused: the address is private and not allowed; nothing was sent.
	ErrRefused = errors.New("address not allowed")
)

// OpToken is the Op of an [Error] of the token call.
const OpToken = "fetch token"

// Error is why a call failed, after retries. It shows neither the secret nor
// a token. Errors of the caller's context and of [Config.Gate] are not of
// this type.
type Error struct {
	// Op is what was being done, e.g. "list clients page 7" or [OpToken].
	Op string
	// Status is the last HTTP status; 0: there was no response.
	Status int
	// RetryAfter is the wait that the server asked for; 0: none.
	RetryAfter time.Duration
	// Attempts is the number of HTTP requests made.
	Attempts int
	// Excerpt is the message in the response, at most 300 bytes on one line.
	Excerpt string

	kind  error
	cause error // what happened, where status and excerpt do not say it
	next  next
}

// next says whether another attempt makes sense.
type next int

const (
	giveUp next = iota
	retryLater
	retryAtOnce
)

// Error describes the failure in one line, e.g. "list clients page 7: status
// 502 (4 attempts): Bad Gateway".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	} else {
		fmt.Fprintf(&b, ": %v", e.kind)
	}
	var notes []string
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.RetryAfter > 0 {
		notes = append(notes, fmt.Sprintf("retry after %v", e.RetryAfter.Round(time.Second)))
	}
	if len(notes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
	}
	if e.Status != 0 && e.Status < http.StatusBadRequest {
		fmt.Fprintf(&b, ": %v", e.kind)
	}
	if e.Excerpt != "" {
		b.WriteString(": " + e.Excerpt)
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

// Unwrap returns the kind. The cause is text only: a timeout inside net/http
// would otherwise pass for one of the caller's context.
func (e *Error) Unwrap() error { return e.kind }

// RetryAfter returns the wait that the server asked for; false if it asked for
// none.
func RetryAfter(err error) (time.Duration, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter <= 0 {
		return 0, false
	}
	return e.RetryAfter, true
}
