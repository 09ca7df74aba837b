package halo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// unknownLife is the assumed lifetime of a token whose answer states none.
	// Halo's tokens are valid for an hour (topleft-team/django-psa).
	unknownLife = 50 * time.Minute
	// renewEarly is how long before expiry a token is renewed. A short-lived
	// token is renewed after nine tenths of its lifetime instead.
	renewEarly = time.Minute
	// maxToken bounds a token, in bytes. The token goes into a header, and
	// proxies accept some 8 KB of headers.
	maxToken = 16 << 10
)

// tokens keeps the current token. At most one request for a new token is in
// flight, and concurrent callers share it.
type tokens struct {
	fetch func(context.Context) (token, error)

	mu      sync.Mutex
	current token
	flight  *flight // nil: none in flight
}

// token is an access token and the time at which to replace it. The zero value
// is no token.
type token struct {
	value   concealed // nil: no token
	renewAt time.Time
}

// flight is one request for a token, shared by all callers that wait for it.
type flight struct {
	done     chan struct{} // closed when value, err and panicked are set
	value    concealed     // nil with an error
	err      error
	panicked any
	waiters  int                // guarded by tokens.mu
	cancel   context.CancelFunc // called when the last waiter leaves
}

// get returns a token that is not due for renewal. It returns early when ctx is
// done; the token request continues while another caller waits for it.
func (t *tokens) get(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	t.mu.Lock()
	if t.current.value != nil && time.Now().Before(t.current.renewAt) {
		defer t.mu.Unlock()
		return t.current.value(), nil
	}
	f := t.flight
	if f == nil {
		f = t.start(ctx)
	}
	f.waiters++
	t.mu.Unlock()

	select {
	case <-f.done:
		if f.panicked != nil {
			panic(fmt.Sprintf("%v (while fetching a token)", f.panicked))
		}
		if f.err != nil {
			return "", f.err
		}
		return f.value(), nil
	case <-ctx.Done():
		t.leave(f)
		return "", ctx.Err()
	}
}

// start requests a token. Its context has the caller's values but does not end
// with the caller's context. The caller holds t.mu.
func (t *tokens) start(ctx context.Context) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), cancel: cancel}
	t.flight = f
	go func() {
		defer cancel()
		var fresh token
		// Pass a panic to the waiting callers. In this goroutine, it would end
		// the process.
		defer func() {
			f.panicked = recover()
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.flight == f {
				t.flight = nil
				t.current = fresh
			}
			close(f.done)
		}()
		fresh, f.err = t.fetch(ctx)
		f.value = fresh.value
	}()
	return f
}

// leave removes a waiting caller. When no caller is left, it cancels the
// request.
func (t *tokens) leave(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.waiters--
	if f.waiters == 0 {
		f.cancel()
		if t.flight == f {
			t.flight = nil
		}
	}
}

// drop discards a token that Halo rejected, unless it has already been
// replaced.
func (t *tokens) drop(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.value != nil && t.current.value() == value {
		t.current = token{}
	}
}

// fetchToken requests a token from the authorisation server: POST /token.
func (a *API) fetchToken(ctx context.Context) (fresh token, err error) {
	conf := clientcredentials.Config{
		ClientID: a.cfg.ClientID, ClientSecret: a.secret(),
		TokenURL: a.cfg.AuthServer + "/token",
		Scopes:   strings.Fields(a.cfg.Scope),
		// With any other style, oauth2 sends a second request after an error.
		AuthStyle: oauth2.AuthStyleInParams,
	}
	if a.cfg.Tenant != "" {
		conf.TokenURL += "?" + url.Values{"tenant": {a.cfg.Tenant}}.Encode()
	}
	err = a.retry(ctx, func(p *pace) error {
		trip := &tokenTrip{api: a, pace: p}
		client := &http.Client{Transport: trip}
		got, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
		switch {
		case trip.err != nil:
			return trip.err
		case err != nil:
			// The text of oauth2's own error can show the body.
			return &Error{Op: OpToken, Status: trip.status, kind: ErrNotHalo, cause: errors.New("token answer has an unexpected shape")}
		}
		fresh = token{conceal(got.AccessToken), renewal(got.Expiry, time.Now())}
		return nil
	})
	return fresh, err
}

// sendable reports whether a token can go into a header unchanged: visible
// ASCII without spaces. net/http rejects line breaks, but only after the
// request has been counted, and its error quotes the token.
func sendable(token string) bool {
	return len(token) <= maxToken && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// renewal returns when to replace a token.
func renewal(expiry, now time.Time) time.Time {
	life := unknownLife
	if !expiry.IsZero() {
		life = expiry.Sub(now)
	}
	return now.Add(max(life-renewEarly, life*9/10))
}

// tokenTrip sends the requests of oauth2 through [API.attempt], which applies
// the gate and the limits and judges the answer. It keeps attempt's error,
// which oauth2 would hide. attempt treats a redirect as an error, so oauth2
// follows no redirect.
type tokenTrip struct {
	api    *API
	pace   *pace
	status int
	err    error
}

// RoundTrip makes one attempt at the token call.
func (t *tokenTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("Accept", "application/json")
	var got answer
	t.err = t.api.attempt(t.pace, out, exchange{
		op: OpToken, route: "POST /token", limit: maxTokenBody,
		judge: func(ans answer) *Error {
			got, t.status = ans, ans.status
			return judgeToken(ans, t.api.cfg.Tenant, t.pace.attempts)
		},
	})
	if t.err != nil {
		return nil, t.err
	}
	// The body is known to be JSON, but oauth2 decides by the header.
	return &http.Response{
		Status: http.StatusText(got.status), StatusCode: got.status,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(bytes.NewReader(withoutBOM(got.body))),
		Request: req,
	}, nil
}
