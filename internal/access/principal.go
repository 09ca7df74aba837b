// Package access decides who gets in: API keys, console sessions and the
// product's sign-in tokens come in, a [Principal] comes out. What is served
// behind it asks [From] whose request it is.
package access

import "context"

// Scope is what a principal may do; each includes those before it.
type Scope string

// Scopes, ascending.
const (
	Read  Scope = "read"  // see everything of the tenant, credentials excepted
	Write Scope = "write" // import, map, unmap, resync and what belongs to runs
	Admin Scope = "admin" // connections, schedules
	// Ops is for who runs the installation: the queues besides, in which the
	// tasks of all tenants are. The product cannot vouch for it.
	Ops Scope = "ops"
)

// rank orders the scopes; 0 is none.
var rank = map[Scope]int{Read: 1, Write: 2, Admin: 3, Ops: 4}

// Valid says whether there is such a scope.
func (s Scope) Valid() bool { return rank[s] > 0 }

// Covers says whether s is enough where other is needed.
func (s Scope) Covers(other Scope) bool { return rank[s] > 0 && rank[s] >= rank[other] }

// Principal is whose request it is.
type Principal struct {
	Tenant string
	Actor  string // who, for events and requested_by: "key:NAME", or "user:SUB" for whom the product vouches
	Scope  Scope
	// Session says that a cookie vouches for the request, as in a browser.
	Session bool
}

type principalKey struct{}

// With returns a context that carries p.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From is whose request ctx belongs to; false if nobody has signed in.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
