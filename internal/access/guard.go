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

// maxBody bounds what anybody may send.
const maxBody = 1 << 20

// mostRequest is how long a request may go on, live progress included. Whoever was
// let in has to show himself again then: a key may have been revoked meanwhile.
const mostRequest = 10 * time.Minute

// mostLookups is how many look-ups of whose request it is take place at a time,
// so that strangers cannot use up the connections to Postgres.
const mostLookups = 4

// Config is what a [Guard] works with.
type Config struct {
	Store *repo.Store
	// Ops serves /livez and /readyz, to everybody, and /metrics.
	Ops http.Handler
	// App serves everything else. Its requests carry a [Principal], but for those
	// below /assets/, which are public.
	App http.Handler
	// SignInPage shows the form that is posted to /signin with the fields key and
	// next. message says what went wrong, or is empty; next is where to go on.
	SignInPage func(w http.ResponseWriter, r *http.Request, status int, message, next string)
	// Secrets are those of the product's sign-in tokens, see [ParseSecrets];
	// without any there are no such tokens.
	Secrets []secret.String
	// EmbedOrigins may show the console in a page of theirs, see [ParseOrigins].
	EmbedOrigins []string
	Log          *zap.Logger // default: none
}

// Guard is the one way in by HTTP.
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
	door       door
	own        *http.ServeMux // the paths about signing in and out
	now        func() time.Time
}

// New returns a guard, which is the handler of everything that is served.
func New(cfg Config) *Guard {
	g := &Guard{
		store: cfg.Store, ops: cfg.Ops, app: cfg.App, signInPage: cfg.SignInPage, secrets: cfg.Secrets, embed: cfg.EmbedOrigins,
		policy: policy(cfg.EmbedOrigins), log: cfg.Log, origins: http.NewCrossOriginProtection(), throttle: newThrottle(),
		lookups: make(chan struct{}, mostLookups), door: door{alwaysOpen: len(cfg.Secrets) > 0}, own: http.NewServeMux(), now: time.Now,
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

// ServeHTTP lets a request through, or says why not.
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
		g.ops.ServeHTTP(&reserved{ResponseWriter: w}, r)
	case !g.isOpen(w, r):
	case g.origins.Check(r) != nil:
		refuse(w, r, http.StatusForbidden, "The request was made by a page of another site.")
	case path == "/signin", path == "/signout", strings.HasPrefix(path, "/signin/"):
		g.own.ServeHTTP(w, r)
	case isAsset(r):
		g.app.ServeHTTP(w, r)
	case path == "/metrics":
		g.letIn(w, r, g.ops)
	default:
		g.letIn(w, r, g.app)
	}
}

// letIn serves a request whose sender is known.
func (g *Guard) letIn(w http.ResponseWriter, r *http.Request, next http.Handler) {
	p, err := g.who(r)
	var wait *waitError
	switch {
	case err == nil:
		ctx, cancel := context.WithTimeout(With(r.Context(), p), mostRequest)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	case errors.As(err, &wait):
		g.tellToWait(w, r, wait)
	case errors.Is(err, errRefused):
		g.turnAway(w, r)
	default:
		g.unavailable(w, r, err)
	}
}

// who finds out whose request it is: by the key in it, else by the cookie.
func (g *Guard) who(r *http.Request) (p Principal, err error) {
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

// lookUp runs f when it is its turn.
func (g *Guard) lookUp(ctx context.Context, f func(context.Context) error) error {
	select {
	case g.lookups <- struct{}{}:
		defer func() { <-g.lookups }()
		return f(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryKey looks at a key, unless there have been too many wrong ones.
func (g *Guard) tryKey(r *http.Request, text string) (p Principal, id uuid.UUID, err error) {
	err = g.attempt(r, text, func(ctx context.Context) error {
		p, id, err = byKey(ctx, g.store, text)
		return err
	})
	if err == nil {
		g.throttle.right(sha256.Sum256([]byte(text)))
	}
	return p, id, err
}
