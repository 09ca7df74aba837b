package access

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// maxBody bounds the size in bytes of every request body.
const maxBody = 1 << 20

// maxRequest bounds the duration of a request, including live progress. After this time,
// clients reconnect.
const maxRequest = 10 * time.Minute

// Config holds the parameters of a [Guard].
type Config struct {
	Store *repo.Store
	// Ops serves /livez, /readyz and /metrics. /livez and /readyz need no authentication,
	// but only the scope [Ops] sees the metrics and the reasons in /readyz.
	Ops http.Handler
	// App serves all other paths. Requests carry a [Principal], except those for the public
	// files under /assets/.
	App http.Handler
	// SignInPage shows the form that is posted to /signin with the fields key
	// and next. The argument message describes the error, or is empty. The argument next is
	// the page to open after signing in.
	SignInPage func(w http.ResponseWriter, r *http.Request, status int, message, next string)
	// Secrets verify the product's sign-in tokens, see [ParseSecrets]. Without
	// secrets, tokens are not accepted.
	Secrets []secret.String
	// ChangePage asks a person whether to sign in as someone else. Its form is
	// posted to /signin/change with the field next.
	ChangePage func(w http.ResponseWriter, r *http.Request, c Change)
	Site       Site
	// TrustedProxies lists the addresses of proxies whose forwarding headers are used; see
	// [ParseProxies].
	TrustedProxies []netip.Prefix
	Log            *zap.Logger // by default nothing is logged
}

// Guard is the handler for all HTTP requests. It authenticates each request
// before passing it on.
type Guard struct {
	store      *repo.Store
	ops, app   http.Handler
	metrics    http.Handler // ops behind the scope [Ops]
	signInPage func(w http.ResponseWriter, r *http.Request, status int, message, next string)
	changePage func(w http.ResponseWriter, r *http.Request, c Change)
	secrets    []secret.String
	site       Site
	policy     string
	proxies    proxies
	log        *zap.Logger
	hints      hints
	throttle   *throttle
	lookups    lane
	guesses    lane
	stamps     stamps
	firstKey   firstKey
	own        *http.ServeMux // handles the paths for signing in and out
	now        func() time.Time
	refusals   refusals
	recheck    time.Duration // recheckInterval, except in tests
}

// New returns a guard.
func New(cfg Config) *Guard {
	g := &Guard{
		store: cfg.Store, ops: cfg.Ops, app: cfg.App, signInPage: cfg.SignInPage, changePage: cfg.ChangePage, secrets: cfg.Secrets, site: cfg.Site,
		policy: policy(cfg.Site.EmbedOrigins), proxies: cfg.TrustedProxies, log: cfg.Log, throttle: newThrottle(),
		lookups: make(lane, maxLookups), guesses: make(lane, maxGuesses),
		firstKey: firstKey{notNeeded: len(cfg.Secrets) > 0}, own: http.NewServeMux(), now: time.Now, recheck: recheckInterval,
	}
	g.metrics = Require(Ops, "the metrics are about all tenants. They are also at HALOSYNC_METRICS_ADDR.", g.ops)
	if g.log == nil {
		g.log = zap.NewNop()
	}
	g.own.HandleFunc("GET /signin", g.showSignIn)
	g.own.HandleFunc("POST /signin", g.signIn)
	g.own.HandleFunc("POST /signout", g.signOut)
	if len(g.secrets) > 0 {
		g.own.HandleFunc("GET /signin/token", g.signInByLink)
		g.own.HandleFunc("GET /signin/change", g.showChange)
		g.own.HandleFunc("POST /signin/change", g.change)
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
	case path == "/livez":
		g.ops.ServeHTTP(w, r)
	case path == "/readyz":
		g.ready(w, r)
	case !g.hasKey(w, r):
	case g.refusesForm(w, r):
	case path == "/signin", path == "/signout", strings.HasPrefix(path, "/signin/"):
		g.own.ServeHTTP(w, r)
	case isAsset(r):
		g.app.ServeHTTP(w, r)
	case path == "/metrics":
		g.protect(w, r, g.metrics)
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
		if r.Header.Get("Authorization") != "" {
			g.refused(r, repo.SecurityKeyUsed, repo.SecurityThrottled)
		}
		g.tooManyAttempts(w, r, wait)
	case errors.Is(err, errExposed):
		refuse(w, r, http.StatusForbidden, exposedText)
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
		return g.session(r)
	}
	scheme, key, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return p, errRefused
	}
	if !g.mayCarryKey(r) {
		return p, errExposed
	}
	p, _, err = g.tryKey(r, strings.TrimSpace(key))
	return p, err
}

// ready answers /readyz. The answer contains the reasons for the scope [Ops] and is a
// single line for all others.
func (g *Guard) ready(w http.ResponseWriter, r *http.Request) {
	if p, err := g.authenticate(r); err != nil || !p.Scope.Covers(Ops) {
		w = &statusOnly{ResponseWriter: w}
	}
	g.ops.ServeHTTP(w, r)
}
