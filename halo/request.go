package halo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/halosync/halosync/internal/bulkhead"
)

const (
	// maxErrorBody bounds the size in bytes of an error's body.
	maxErrorBody = 64 << 10
	// maxTokenBody bounds the size in bytes of the answer to a token call.
	maxTokenBody = 1 << 20
	// maxSpare bounds the size in bytes of a buffer that is kept for a later body. A page
	// takes some 100 KB.
	maxSpare = 256 << 10
)

// answer is a response whose body has been read, up to a limit.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange holds the parameters of an attempt.
type exchange struct {
	op, route string
	token     string // the token in use, which errors must not show
	limit     int64  // maximum size of the body, in bytes
	reuse     bool   // the body may be reused once judge has returned
	// judge returns nil if it accepts the answer. The caller fills in Op,
	// Excerpt and RetryAfter.
	judge func(answer) *Error
}

// attempt makes one HTTP request: gate, send, read, judge, observe. It returns
// an [*Error], the gate's error, or the error of the request's context. The body
// of req must be replayable or absent.
func (a *API) attempt(p *pace, req *http.Request, x exchange) error {
	ctx := req.Context()
	arrived := time.Now()
	if err := a.cfg.Gate(ctx); err != nil {
		return opError(x.op, err)
	}
	start := time.Now()
	if !p.began.IsZero() {
		p.gated += start.Sub(arrived)
	}
	p.attempts++

	timed, stop := context.WithTimeout(ctx, a.cfg.AttemptTimeout)
	defer stop()
	limited, cancel := context.WithCancelCause(timed)
	defer cancel(nil)
	held := &holding{memory: a.cfg.Memory, owner: a.cfg.Owner, cancel: cancel}
	defer held.end()
	traced := func(int, error) {}
	if a.cfg.Trace != nil {
		traced = a.cfg.Trace(ctx, x.route)
	}
	ans, e := a.send(req.WithContext(limited), min(x.limit, a.cfg.MaxBody), held)
	took := time.Since(start)
	if x.reuse {
		defer a.spare.give(ans.body)
	}
	if e == nil {
		e = held.judge(limited, func() *Error { return x.judge(ans) })
	}

	var err error
	switch {
	case e == nil:
	case ctx.Err() != nil:
		// The caller gave up, which explains any other error.
		err = opError(x.op, ctx.Err())
	default:
		err = a.complete(e, ans, x)
	}
	traced(ans.status, err)
	a.cfg.Observe(Attempt{
		Sent: start, Route: x.route, Status: ans.status, Duration: took,
		Bytes: int64(len(ans.body)), Err: err, Try: p.attempts,
	})
	return err
}

// opError adds the operation's name to an error from a context or gate.
func opError(op string, err error) error { return fmt.Errorf("%s: %w", op, err) }

// complete fills in the fields that all errors have.
func (a *API) complete(e *Error, ans answer, x exchange) *Error {
	e.Op, e.Status = x.op, ans.status
	// A 2xx from the authorisation server may hold a token in an unknown form,
	// so only an HTML title is shown.
	tokenMaybe := x.op == OpToken && ans.status < http.StatusMultipleChoices && kindOf(ans.body) != '<'
	if (ans.status >= http.StatusBadRequest || errors.Is(e, ErrNotHalo)) && !tokenMaybe {
		e.Excerpt = a.scrub(message(ans.body), x.token)
	}
	if e.next == retryLater {
		e.RetryAfter = retryAfter(ans.header, time.Now())
	}
	if e.cause != nil {
		e.cause = a.quote(e.cause.Error(), x.token)
	}
	return e
}

// send sends a request and reads the answer. It uses the transport directly, so that no
// redirect is followed with the token. The caller must call held.end after using the
// body.
func (a *API) send(req *http.Request, limit int64, held *holding) (answer, *Error) {
	req.Header.Set("User-Agent", a.cfg.UserAgent)
	if a.cfg.HeaderName != "" {
		req.Header.Set(a.cfg.HeaderName, a.header())
	}
	resp, err := a.cfg.Transport.RoundTrip(req)
	if err != nil {
		return answer{}, a.networkError(req.Context(), err)
	}
	defer resp.Body.Close()

	ans := answer{status: resp.StatusCode, header: resp.Header}
	success := resp.StatusCode/100 == 2
	if !success {
		limit = min(limit, maxErrorBody)
	}
	ans.body, err = a.readBody(req.Context(), resp, limit, held)
	tooLarge := int64(len(ans.body)) > limit
	if tooLarge {
		ans.body = ans.body[:limit]
	}
	full, isFull := bulkhead.IsFull(err)
	switch {
	case !success:
		return ans, nil // the status decides
	case isFull:
		return ans, &Error{kind: ErrBusy, cause: full}
	case err != nil && req.Context().Err() != nil:
		return ans, a.networkError(req.Context(), err)
	case err != nil:
		return ans, brokeOff(len(ans.body))
	case tooLarge:
		return ans, &Error{kind: ErrTooLarge, cause: fmt.Errorf("more than %d bytes", limit)}
	}
	return ans, nil
}

func brokeOff(n int) *Error {
	return &Error{kind: ErrUnavailable, next: retryLater, cause: fmt.Errorf("answer broke off after %d bytes", n)}
}

// networkError classifies an error without a response.
func (a *API) networkError(ctx context.Context, err error) *Error {
	var (
		refused *refusedError
		proxy   *proxyError
		dns     *net.DNSError
		netw    net.Error
	)
	if fault := tlsFault(err); fault != nil {
		return &Error{kind: ErrUnavailable, cause: fault}
	}
	switch {
	case errors.As(err, &refused):
		return &Error{kind: ErrRefused, cause: refused}
	case errors.As(err, &proxy) && ctx.Err() == nil:
		return &Error{kind: ErrUnavailable, next: proxy.next, cause: proxy}
	case errors.As(err, &dns) && dns.IsNotFound:
		return &Error{kind: ErrUnavailable, cause: fmt.Errorf("host %s does not exist", dns.Name)}
	case errors.As(err, &dns):
		// Leave out the library's full error, because it shows the address of
		// the name server.
		return &Error{kind: ErrUnavailable, next: retryLater, cause: fmt.Errorf("host %s could not be looked up: %s", dns.Name, dns.Err)}
	case errors.Is(context.Cause(ctx), errSlowBody):
		return &Error{kind: ErrUnavailable, cause: context.Cause(ctx)}
	case ctx.Err() != nil:
		return &Error{kind: ErrUnavailable, next: retryLater, cause: fmt.Errorf("no complete answer within %v", a.cfg.AttemptTimeout)}
	case errors.As(err, &netw) && netw.Timeout():
		return &Error{kind: ErrUnavailable, next: retryLater, cause: fmt.Errorf("timeout: %w", err)}
	default:
		return &Error{kind: ErrUnavailable, next: retryLater, cause: err}
	}
}
