package halo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// API reads from one Halo instance with one set of credentials. It is safe
// for concurrent use; all callers share one token.
type API struct {
	cfg    *Config // without the secrets
	secret concealed
	header concealed // value of the MSP's own HTTP header
	tokens *tokens
	spare  spare
	// jitter returns a random duration in [0, limit).
	jitter func(limit time.Duration) time.Duration
}

// New checks cfg and returns a handle on Halo. It makes no request. The error
// lists all faults of cfg.
func New(cfg Config) (*API, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("halo configuration: %w", err)
	}
	cfg = cfg.withDefaults()
	a := &API{cfg: &cfg, secret: conceal(cfg.ClientSecret), header: conceal(cfg.HeaderValue), jitter: jitter, spare: make(spare, defaultWindow)}
	cfg.ClientSecret, cfg.HeaderValue = "", ""
	a.tokens = &tokens{fetch: a.fetchToken}
	return a, nil
}

// concealed is a string that fmt cannot print, because fmt prints only the
// address of a func. Methods such as String would not help, because fmt does
// not call them on unexported fields. A pointer would not help either: for a verb that does
// not fit the type, fmt prints the value that the pointer points to.
type concealed func() string

func conceal(s string) concealed { return func() string { return s } }

func jitter(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return rand.N(limit) //nolint:gosec // spreads retries over time; security does not depend on it
}

// get sends a request for a path to the resource server and passes the body of a 2xx
// response to decode. decode must not retain the body. op names the operation in errors.
// route is the template of the path, for metrics.
func (a *API) get(ctx context.Context, op, route, path string, query url.Values, decode func([]byte) error) error {
	renewed := false
	return a.retry(ctx, func(p *pace) error {
		token, err := a.tokens.get(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.cfg.ResourceServer+path, nil)
		if err != nil {
			return &Error{Op: op, kind: ErrInvalid, cause: a.quote(err.Error(), token)}
		}
		req.URL.RawQuery = query.Encode()
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", "application/json")

		return a.attempt(p, req, exchange{op: op, route: "GET " + route, token: token, limit: a.cfg.MaxBody, reuse: true, judge: func(ans answer) *Error {
			e := judgeAPI(ans, decode)
			if e != nil && e.Status == http.StatusUnauthorized && !renewed {
				// The token expired early or was revoked. If another caller has
				// already renewed it, the retry uses the new token.
				renewed = true
				a.tokens.drop(token)
				e.next = retryAtOnce
			}
			return e
		}})
	})
}
