package halo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tokenServer counts the tokens it issues and can delay an answer.
type tokenServer struct {
	mu     sync.Mutex
	issued int
	body   string // with %d in place of the token's number
	wait   func(*http.Request) error
}

func (o *tokenServer) token(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.issued++
	n := o.issued
	o.mu.Unlock()
	if o.wait != nil {
		if err := o.wait(r); err != nil {
			return nil, err
		}
	}
	return reply(200, fmt.Sprintf(o.body, n)), nil
}

const hourToken = `{"access_token":"tok-%d","token_type":"Bearer","expires_in":3600}`

// anyClient answers every request for a client.
func anyClient(r *http.Request) (*http.Response, error) {
	var id int
	_, _ = fmt.Sscanf(r.URL.Path, "/api/Client/%d", &id)
	return reply(200, fmt.Sprintf(`{"id":%d}`, id)), nil
}

func TestTokenRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	a := wired(t, wire{answer: anyClient, token: func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = r
		return reply(200, fmt.Sprintf(hourToken, 1), "Content-Type: text/plain"), nil
	}}, func(c *Config) { c.Tenant, c.Scope, c.UserAgent = "a&b", "read:customers all", "test/1" })
	if _, err := a.Client(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPost || got.URL.String() != "https://halo.test/auth/token?tenant=a%26b" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	for field, want := range map[string]string{
		"grant_type": "client_credentials", "client_id": "app", "client_secret": testSecret, "scope": "read:customers all",
	} {
		if v := got.PostForm.Get(field); v != want {
			t.Errorf("%s = %q, want %q", field, v, want)
		}
	}
	for name, want := range map[string]string{"Accept": "application/json", "User-Agent": "test/1", "Authorization": ""} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("header %s: %q, want %q", name, v, want)
		}
	}
}

func TestTokenIsRenewedInTime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		life       time.Duration // time until the token is replaced
	}{
		{"an hour", hourToken, 59 * time.Minute},
		{"as text", `{"access_token":"tok-%d","expires_in":"3600"}`, 59 * time.Minute},
		{"a minute", `{"access_token":"tok-%d","expires_in":60}`, 54 * time.Second},
		{"no lifetime", `{"access_token":"tok-%d"}`, 49 * time.Minute},
		{"byte order mark", "\xef\xbb\xbf" + hourToken, 59 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := &tokenServer{body: tt.body}
				a := wired(t, wire{answer: anyClient, token: o.token})
				for i, step := range []struct {
					wait   time.Duration
					issued int
				}{{0, 1}, {tt.life - time.Second, 1}, {time.Second, 2}, {0, 2}} {
					time.Sleep(step.wait)
					if _, err := a.Client(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
					if o.issued != step.issued {
						t.Errorf("step %d: %d tokens, want %d", i, o.issued, step.issued)
					}
				}
			})
		})
	}
}

func TestOneTokenForManyCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &tokenServer{body: hourToken, wait: func(*http.Request) error { time.Sleep(time.Second); return nil }}
		a := wired(t, wire{answer: anyClient, token: o.token})
		var callers sync.WaitGroup
		for i := range 20 {
			callers.Go(func() {
				if _, err := a.Client(t.Context(), int64(i+1)); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if o.issued != 1 {
			t.Errorf("%d tokens for 20 callers", o.issued)
		}
	})
}

func TestCallerWhoLeavesDoesNotEndTheTokenRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &tokenServer{body: hourToken, wait: func(r *http.Request) error {
			select {
			case <-time.After(10 * time.Second):
				return nil
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}}
		a := wired(t, wire{answer: anyClient, token: o.token})
		start := time.Now()
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var callers sync.WaitGroup
		callers.Go(func() { // starts the token request
			_, err := a.Client(hasty, 1)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("hasty caller: error %v after %v", err, time.Since(start))
			}
		})
		synctest.Wait()
		callers.Go(func() { // waits for that request
			if _, err := a.Client(t.Context(), 2); err != nil || time.Since(start) != 10*time.Second {
				t.Errorf("patient caller: error %v after %v", err, time.Since(start))
			}
		})
		callers.Wait()
		if o.issued != 1 {
			t.Errorf("%d token requests", o.issued)
		}
	})
}

func TestLastCallerWhoLeavesEndsTheTokenRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := false
		first := true
		o := &tokenServer{body: hourToken, wait: func(r *http.Request) error {
			if !first {
				return nil
			}
			first = false
			<-r.Context().Done()
			ended = true
			return r.Context().Err()
		}}
		a := wired(t, wire{answer: anyClient, token: o.token})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Client(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		synctest.Wait()
		if !ended {
			t.Error("the token request continues without a waiting caller")
		}
		if _, err := a.Client(t.Context(), 2); err != nil {
			t.Errorf("the next caller: %v", err)
		}
	})
}

func TestRevokedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &tokenServer{body: hourToken}
		revoked := map[string]bool{}
		var mu sync.Mutex
		a := wired(t, wire{token: o.token, answer: func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second) // all requests are sent before the first is rejected
			mu.Lock()
			defer mu.Unlock()
			if revoked[r.Header.Get("Authorization")] {
				return reply(401, ""), nil
			}
			return anyClient(r)
		}})
		if _, err := a.Client(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		revoked["Bearer tok-1"] = true
		var callers sync.WaitGroup
		for i := range 10 {
			callers.Go(func() {
				if _, err := a.Client(t.Context(), int64(i+1)); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if o.issued != 2 {
			t.Errorf("%d tokens, want 2", o.issued)
		}
	})
}

// If Halo rejects an old token, the newer token must stay in use.
func TestDropKeepsNewerToken(t *testing.T) {
	t.Parallel()
	tok := &tokens{current: token{conceal("new"), time.Now().Add(time.Hour)}}
	tok.drop("old")
	if got, err := tok.get(t.Context()); got != "new" || err != nil {
		t.Errorf("token %q, error %v", got, err)
	}
}

func TestTokenRequestIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		a := wired(t, wire{answer: anyClient, token: func(r *http.Request) (*http.Response, error) {
			if n++; n < 3 {
				return reply(503, ""), nil
			}
			if err := r.ParseForm(); err != nil || r.PostForm.Get("client_secret") != testSecret {
				t.Errorf("form %d lacks the secret: %v", n, err)
			}
			return reply(200, fmt.Sprintf(hourToken, n)), nil
		}})
		if _, err := a.Client(t.Context(), 1); err != nil || n != 3 {
			t.Errorf("%d token requests, error %v", n, err)
		}
	})
}
