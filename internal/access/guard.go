package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// maxBody bounds the body of every request, in bytes.
const maxBody = 1 << 20

// maxRequest bounds the duration of a request, including live progress. Clients
// then reconnect.
const maxRequest = 10 * time.Minute

// maxLookups bounds concurrent authentication queries, so that unauthenticated
// clients cannot use up the connections to Postgres.
const maxLookups = 4

// Config holds the parameters of a [Guard].
type Config struct {
	Store *repo.Store
	// Ops serves /livez and /readyz without authentication, and /metrics.
	Ops http.Handler
	// App serves all other paths. Requests carry a [Principal], except for the
	// public files below /assets/.
	App http.Handler
	// SignInPage shows the form that is posted to /signin with the fields key
	// and next. message describes the error, or is empty. next is the page to
	// open after signing in.
	SignInPage func(w http.ResponseWriter, r *http.Request, status int, message, next string)
	// Secrets verify the product's sign-in tokens, see [ParseSecrets]. Without
	// secrets, tokens are not accepted.
	Secrets []secret.String
	// EmbedOrigins lists the origins that may embed the console in their pages,
	// see [ParseOrigins].
	EmbedOrigins []string
	Log          *zap.Logger // by default nothing is logged
}

// Guard is the handler for all HTTP requests. It authenticates each request
// before passing it on.
type Guard struct {
	store      *repo.Store
	ops, app   http.Handler
	signInPage func(w http.ResponseWriter, r *http.Request, status int, message, next string)
	secrets    []secret.String
	embed      []string
	policy     string
	log        *zap.Logger
	origins    *http.CrossOriginProtection
	throttle   *throttle
	lookups    chan struct{}
	firstKey   firstKey
	own        *http.ServeMux // handles the paths for signing in and out
	now        func() time.Time
	refusals   refusals
	recheck    time.Duration // recheckInterval, except in tests
}

// New returns a guard.
func New(cfg Config) *Guard {
	g := &Guard{
		store: cfg.Store, ops: cfg.Ops, app: cfg.App, signInPage: cfg.SignInPage, secrets: cfg.Secrets, embed: cfg.EmbedOrigins,
		policy: policy(cfg.EmbedOrigins), log: cfg.Log, origins: http.NewCrossOriginProtection(), throttle: newThrottle(),
		lookups: make(chan struct{}, maxLookups), firstKey: firstKey{notNeeded: len(cfg.Secrets) > 0}, own: http.NewServeMux(), now: time.Now,
		recheck: recheckInterval,
	}
	if g.log == nil {
		g.log = zap.NewNop()
	}
	g.own.HandleFunc("GET /signin", g.showSignIn)
	g.own.HandleFunc("POST /signin", g.signIn)
	g.own.HandleFunc("POST /signout", g.signOut)
	if len(g.secrets) > 0 {
		g.own.HandleFunc("GET /signin/token", g.signInByToken)
	}
	return g
}

// ServeHTTP passes a request on or refuses it with a reason.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.secure(w.Header(), r)
	if r.ContentLength > maxBody {
		refuse(w, r, http.StatusRequestEntityTooLarge, "The request is larger than 1 MiB.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch path := r.URL.Path; {
	case path == "/livez", (path == "/readyz" || path == "/metrics") && local(r):
		g.ops.ServeHTTP(w, r)
	case path == "/readyz":
		g.ops.ServeHTTP(&statusOnly{ResponseWriter: w}, r)
	case !g.hasKey(w, r):
	case g.origins.Check(r) != nil:
		refuse(w, r, http.StatusForbidden, "The request came from a page of another site.")
	case path == "/signin", path == "/signout", strings.HasPrefix(path, "/signin/"):
		g.own.ServeHTTP(w, r)
	case isAsset(r):
		g.app.ServeHTTP(w, r)
	case path == "/metrics":
		g.protect(w, r, g.ops)
	default:
		g.protect(w, r, g.app)
	}
}

// protect authenticates a request and passes it to next.
func (g *Guard) protect(w http.ResponseWriter, r *http.Request, next http.Handler) {
	p, err := g.authenticate(r)
	var wait *waitError
	switch {
	case err == nil:
		ctx, cancel := g.admit(r, p)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	case errors.As(err, &wait):
		g.refused(r, repo.SecurityKeyUsed, repo.SecurityThrottled)
		g.tooManyAttempts(w, r, wait)
	case errors.Is(err, errRefused):
		if r.Header.Get("Authorization") != "" {
			g.refused(r, repo.SecurityKeyUsed, repo.SecurityRefused)
		}
		g.unauthorized(w, r)
	default:
		g.unavailable(w, r, err)
	}
}

// authenticate identifies the caller by API key or, without one, by session
// cookie.
func (g *Guard) authenticate(r *http.Request) (p Principal, err error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		err = g.lookUp(r.Context(), func(ctx context.Context) error {
			p, err = g.bySession(ctx, r)
			return err
		})
		return p, err
	}
	scheme, key, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return p, errRefused
	}
	p, _, err = g.tryKey(r, strings.TrimSpace(key))
	return p, err
}

// lookUp calls f. At most maxLookups calls run at a time.
func (g *Guard) lookUp(ctx context.Context, f func(context.Context) error) error {
	select {
	case g.lookups <- struct{}{}:
		defer func() { <-g.lookups }()
		return f(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryKey verifies a key, unless there have been too many failed attempts.
func (g *Guard) tryKey(r *http.Request, text string) (p Principal, id uuid.UUID, err error) {
	err = g.attempt(r, text, func(ctx context.Context) error {
		p, id, err = byKey(ctx, g.store, text)
		return err
	})
	if err == nil {
		g.throttle.succeeded(sha256.Sum256([]byte(text)))
	}
	return p, id, err
}
