package halo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
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

// flight is one request for a token, shared by all callers that are waiting for it.
type flight struct {
	done     chan struct{} // closed when value, err and panicked are set
	value    concealed     // nil with an error
	err      error
	panicked any
	waiters  int                // guarded by tokens.mu
	cancel   context.CancelFunc // called when the last waiting caller leaves
}

// get returns a token that is not due for renewal. It returns early when ctx is
// done; the token request continues while another caller is waiting for it.
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

// fetchToken requests a token from the authorisation server.
func (a *API) fetchToken(ctx context.Context) (fresh token, err error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {a.cfg.ClientID}, "client_secret": {a.secret()},
		"scope": {strings.Join(strings.Fields(a.cfg.Scope), " ")},
	}.Encode()
	address := TokenURL(a.cfg.AuthServer)
	if a.cfg.Tenant != "" {
		address += "?" + url.Values{"tenant": {a.cfg.Tenant}}.Encode()
	}
	err = a.retry(ctx, func(p *pace) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
		if err != nil {
			return &Error{Op: OpToken, kind: ErrInvalid, cause: a.quote(err.Error(), "")}
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept", "application/json")
		return a.attempt(p, req, exchange{op: OpToken, route: "POST /token", limit: maxTokenBody, judge: func(ans answer) *Error {
			got, err := decodeToken(ans.body)
			if e := judgeToken(ans, got, err, a.cfg.Tenant, p.attempts); e != nil {
				return e
			}
			fresh = token{conceal(got.token), time.Now().Add(got.keep())}
			return nil
		}})
	})
	return fresh, err
}
