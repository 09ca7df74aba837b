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
	// ErrCredentials means that the authorisation server rejected the client ID
	// or the secret.
	ErrCredentials = errors.New("credentials rejected")
	// ErrUnauthorized means that the API answered 401 to a token that had just
	// been issued.
	ErrUnauthorized = errors.New("token rejected")
	// ErrForbidden means 403: the application or its agent lacks a right.
	ErrForbidden = errors.New("access denied")
	// ErrNotFound means 404 or 410 from the API, never from the authorisation server.
	ErrNotFound = errors.New("not found")
	// ErrInvalid means any other 4xx, or arguments that were rejected before
	// sending.
	ErrInvalid = errors.New("invalid request")
	// ErrThrottled means 429; see [RetryAfter].
	ErrThrottled = errors.New("too many requests")
	// ErrUnavailable means a 5xx, a 408, a timeout, a broken connection or a
	// DNS failure.
	ErrUnavailable = errors.New("unavailable")
	// ErrBusy is an ErrUnavailable whose cause is this process, not Halo. The memory for
	// large answers is in use; see [Config.Memory]. A later call may succeed.
	ErrBusy = fmt.Errorf("%w for now, too many large answers at once", ErrUnavailable)
	// ErrNotHalo means that the answer is not from Halo's API: HTML, a
	// redirect, or JSON of an unexpected shape.
	ErrNotHalo = errors.New("not an answer from Halo's API")
	// ErrNoToken is an ErrNotHalo from the token call: the path does not exist, or
	// the answer holds neither a usable token nor an OAuth error. It covers neither HTML
	// with status 200 nor redirects, both of which maintenance can cause.
	ErrNoToken = fmt.Errorf("%w", ErrNotHalo)
	// ErrTooLarge means that the answer exceeds the limit on bytes or rows.
	ErrTooLarge = errors.New("answer too large")
	// ErrRefused means that the address is private and not allowed. Nothing was
	// sent.
	ErrRefused = errors.New("address not allowed")
)

// OpToken is the Op of an [Error] from the token call.
const OpToken = "fetch token"

// Error describes why a call failed after all retries. It shows neither the
// secret nor a token. If the caller's context or [Config.Gate] ends a call, the
// error is not of this type.
type Error struct {
	// Op is the operation that failed, e.g. "list clients page 7" or [OpToken].
	Op string
	// Status is the last HTTP status, or 0 if there was no response.
	Status int
	// RetryAfter is how long to wait before the next call: the server's
	// Retry-After or, after a 429 without one, a wait of at least 5 s. It is 0
	// if neither applies.
	RetryAfter time.Duration
	// Attempts is the number of HTTP requests made.
	Attempts int
	// Excerpt is the message in the response, at most 300 bytes on one line.
	Excerpt string

	kind      error
	cause     error // nil if the status and the excerpt explain the failure
	next      next
	misplaced bool // see [IsMisplaced]
}

// next is the decision on whether to make another attempt.
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

// Unwrap returns the kind, not the cause. Otherwise, a timeout inside net/http
// would look like a timeout of the caller's context.
func (e *Error) Unwrap() error { return e.kind }

// IsMisplaced reports whether err comes from a token call whose answer did not look
// like that of an authorisation server. Another path on the same host may then be
// the right one.
func IsMisplaced(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.misplaced
}

// RetryAfter returns how long to wait before calling again. It returns false if the error
// carries no such wait. The wait is the server's Retry-After or, after a 429 without one, 5
// s or more.
func RetryAfter(err error) (time.Duration, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter <= 0 {
		return 0, false
	}
	return e.RetryAfter, true
}
