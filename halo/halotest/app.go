package halotest

import (
	"slices"
	"strings"
	"sync"
)

// Rights selects the clients that the agent behind an application may read:
// [ReadAll], [ReadNone] or [ReadSome]. A token keeps the rights that the agent
// had when it was issued (Halo's guide to API permissions, kbid 1566).
type Rights interface {
	reads(id int64) bool
}

type level int

// These rights cover all clients or no clients. With ReadNone, lists are empty
// and have status 200.
const (
	ReadAll level = iota
	ReadNone
)

func (l level) reads(int64) bool { return l == ReadAll }

// ReadSome grants access to the clients for which the function returns true.
// The function must be safe for concurrent use.
type ReadSome func(id int64) bool

func (f ReadSome) reads(id int64) bool { return f(id) }

// App is an API application of a tenant. Printing it does not show the secret.
type App struct {
	tenant *Tenant
	id     string
	scopes []string
	apiKey string

	mu     sync.Mutex // guards the fields below
	secret string
	rights Rights
	epoch  int // incremented to end all tokens
}

// AppOption sets an option of a new [App].
type AppOption func(*App)

// WithScopes sets the scopes of an application. The default is "all".
func WithScopes(scopes ...string) AppOption {
	return func(a *App) { a.scopes = scopes }
}

// WithRights sets the rights of the agent. The default is [ReadAll].
func WithRights(r Rights) AppOption {
	return func(a *App) { a.rights = r }
}

// WithAPIKey gives an application a static key. A request with the key in the
// header X-Halo-Api-Key needs no token (bart-lute/halopsa-client-go).
func WithAPIKey(key string) AppOption {
	return func(a *App) { a.apiKey = key }
}

// App registers an application. It replaces an application with the same id and ends that
// application's tokens.
func (t *Tenant) App(clientID, secret string, opts ...AppOption) *App {
	a := &App{tenant: t, id: clientID, secret: secret, scopes: []string{"all"}, rights: ReadAll}
	for _, o := range opts {
		o(a)
	}
	t.appMu.Lock()
	old := t.apps[clientID]
	t.apps[clientID] = a
	t.appMu.Unlock()
	if old != nil {
		old.Revoke()
	}
	if a.apiKey != "" {
		t.halo.tokens.putKey(a.apiKey, a)
	}
	return a
}

func (t *Tenant) app(clientID string) *App {
	t.appMu.Lock()
	defer t.appMu.Unlock()
	return t.apps[clientID]
}

// Rights changes the rights of the agent for future tokens.
func (a *App) Rights(r Rights) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rights = r
}

// SetSecret changes the secret. Existing tokens stay valid.
func (a *App) SetSecret(secret string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.secret = secret
}

// Revoke ends all tokens of the application at once.
func (a *App) Revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epoch++
}

// String names the application without its secret.
func (a *App) String() string { return "application " + a.id }

// GoString is the same as String.
func (a *App) GoString() string { return a.String() }

// grant returns the requested scopes, which are separated by spaces. It returns
// false if one of them does not exist or does not belong to the application.
func (a *App) grant(asked string) ([]string, bool) {
	scopes := strings.Fields(asked)
	for _, s := range scopes {
		own := slices.Contains(a.scopes, s) || slices.Contains(a.scopes, "all")
		if !own || !knownScope(s) {
			return nil, false
		}
	}
	return scopes, len(scopes) > 0
}

// knownScope reports whether a scope exists. The list combines those of
// homotechsual/HaloAPI Classes/HaloAuth.psm1 and another PowerShell module.
// Sites and users have no scopes of their own: "customers" covers them.
func knownScope(s string) bool {
	switch s {
	case "all", "all:standard", "all:teams", "admin", "admin:webhooks", "offline_access",
		"editMine:timesheets", "access:chat", "access:adpasswordreset":
		return true
	}
	verb, noun, ok := strings.Cut(s, ":")
	nouns := []string{
		"tickets", "calendar", "customers", "crm", "contracts", "suppliers", "items", "projects", "sales", "quotes",
		"sos", "pos", "invoices", "reporting", "timesheets", "softwarelicensing", "software", "kb", "assets", "distributionlists",
	}
	return ok && (verb == "read" || verb == "edit") && slices.Contains(nouns, noun)
}

// permits reports whether one of the scopes permits requests to a route.
func permits(scopes []string, route Route, p *settings) bool {
	noun, write := "customers", false
	switch route {
	case RouteAgent:
		return true
	case RouteWebhooks:
		return slices.ContainsFunc(scopes, func(s string) bool { return s == "all" || s == "admin" || s == "admin:webhooks" })
	case RouteReports, RouteReport:
		noun = "reporting"
	case RouteSave, RouteDelete:
		write = true
	default:
	}
	return slices.ContainsFunc(scopes, func(s string) bool {
		switch s {
		case "all", "all:standard":
			return true
		case "edit:" + noun:
			return write || !p.EditWithoutRead
		}
		return s == "read:"+noun && !write
	})
}
