// Package access authenticates HTTP requests by API key, console session or the
// product's sign-in token. Handlers behind its [Guard] call [From] to get the
// caller.
package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// Scope is a level of permission. Each scope includes the scopes before it.
type Scope string

// The scopes in ascending order.
const (
	Read  Scope = "read"  // see all data of the tenant except credentials
	Write Scope = "write" // import, map, unmap, resync, manage runs
	Admin Scope = "admin" // connections, schedules
	// Ops is for the operators of the installation. It adds access to the
	// queues, which hold the tasks of all tenants. Sign-in tokens cannot grant
	// it.
	Ops Scope = "ops"
)

// rank orders the scopes. An unknown scope has rank 0.
var rank = map[Scope]int{Read: 1, Write: 2, Admin: 3, Ops: 4}

// Valid reports whether s is one of the scopes.
func (s Scope) Valid() bool { return rank[s] > 0 }

// Covers reports whether the scope s includes the scope other.
func (s Scope) Covers(other Scope) bool { return rank[s] > 0 && rank[s] >= rank[other] }

// Principal is the authenticated caller of a request.
type Principal struct {
	Tenant string
	Actor  string // recorded in events and requested_by: "key:NAME", or "user:SUB" from a sign-in token
	Scope  Scope
	// Session reports whether the request was authenticated by a session
	// cookie.
	Session bool
	// SessionID is the id of that session.
	SessionID uuid.UUID

	signinSecret string   // fingerprint of the secret that signed the user's token
	signer       [32]byte // key of [Principal.Sign], known to this session only
}

// Sign returns a signature of a text that a page keeps in the browser. Its key
// is derived from the session, so another host of the domain, which can set
// cookies, cannot forge a signature.
func (p Principal) Sign(text string) string {
	mac := hmac.New(sha256.New, p.signer[:])
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Signed reports whether [Principal.Sign] made the signature of a text. Without
// a session, no signature is valid.
func (p Principal) Signed(text, signature string) bool {
	return p.Session && hmac.Equal([]byte(signature), []byte(p.Sign(text)))
}

type principalKey struct{}

// With returns a context that carries p.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the principal stored in ctx. It returns false if there is none.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

type exceededKey struct{}

// Permits reports whether the scope of the request's principal covers need. If it does
// not, the guard records a security event. Handlers that answer 403 because of a scope call
// this function, not [Scope.Covers].
func Permits(ctx context.Context, need Scope) bool {
	p, _ := From(ctx)
	if p.Scope.Covers(need) {
		return true
	}
	if record, ok := ctx.Value(exceededKey{}).(func(Scope)); ok {
		record(need)
	}
	return false
}

// Require serves only requests whose scope covers need. It answers 403 with the
// reason to other principals, and 401 to requests without a principal.
func Require(need Scope, reason string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch p, ok := From(r.Context()); {
		case !ok:
			refuse(w, r, http.StatusUnauthorized, "You are not signed in.")
		case !Permits(r.Context(), need):
			refuse(w, r, http.StatusForbidden, fmt.Sprintf("This needs the scope %s, and yours is %s: %s", need, p.Scope, reason))
		default:
			next.ServeHTTP(w, r)
		}
	})
}
