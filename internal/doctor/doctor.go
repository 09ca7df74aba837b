// Package doctor looks at everything that a worker needs, from the environment to
// each connection's Halo, and says of each fault what to do. It changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// What a finding means for the installation.
const (
	OK      = "ok"
	Warning = "warning" // it works, and something deserves attention
	Fault   = "fault"   // something does not work
	Skipped = "skipped" // could not be looked at
)

// Finding is one thing that was looked at.
type Finding struct {
	Area    string `json:"area"` // environment, postgres, redis, keys, clock, halo
	Status  string `json:"status"`
	Subject string `json:"subject,omitempty"` // e.g. "acme/main", tenant and connection
	What    string `json:"what"`
	Do      string `json:"do,omitempty"`
}

// Report is all that was found, in the order in which it was looked at.
type Report struct {
	Findings []Finding `json:"findings"`
	Faults   int       `json:"faults"`
	Warnings int       `json:"warnings"`
}

// Add appends a finding and counts it.
func (r *Report) Add(f Finding) {
	switch f.Status {
	case Fault:
		r.Faults++
	case Warning:
		r.Warnings++
	}
	r.Findings = append(r.Findings, f)
}

func (r *Report) add(area, status, what, do string) {
	r.Add(Finding{Area: area, Status: status, What: what, Do: do})
}

// Config is what is looked at.
type Config struct {
	Store  *repo.Store
	Queue  *tasks.Server
	Engine *engine.Engine
	// Connections is how many connections' Halo is asked at most.
	Connections int
}

// patience bounds what one server may take to answer.
const patience = 10 * time.Second

// Examine looks at everything. It goes on past faults.
func Examine(ctx context.Context, c Config) Report {
	var r Report
	up := c.postgres(ctx, &r)
	c.redis(ctx, &r)
	c.clock(ctx, &r)
	if !up {
		r.add("keys", Skipped, "Postgres cannot be used", "")
		r.add("halo", Skipped, "Postgres cannot be used", "")
		return r
	}
	c.keys(ctx, &r)
	c.halo(ctx, &r)
	return r
}

// minPostgres is the oldest server that has what the schema needs.
const minPostgres = 15_00_00

// postgres looks at server, schema and role. usable is false if nothing can be
// read.
func (c Config) postgres(ctx context.Context, r *Report) (usable bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	server, err := c.Store.Server(ctx)
	if err != nil {
		r.add("postgres", Fault, err.Error(), "check that it runs, that DATABASE_URL names it, and that it takes connections of this user from here (pg_hba.conf)")
		return false
	}
	if server.Number < minPostgres {
		r.add("postgres", Fault, "version "+server.Version, "upgrade Postgres to 15 or newer")
	}
	if server.ReadOnly {
		r.add("postgres", Fault, "it takes no writes: a standby, or set so", "name the primary in DATABASE_URL")
	}
	if server.InUse*100 > server.Most*80 {
		r.add("postgres", Warning, fmt.Sprintf("%d of its %d connections are in use", server.InUse, server.Most), "raise max_connections, lower HALOSYNC_CONCURRENCY, or put PgBouncer in between")
	}
	var schema *repo.SchemaError
	switch err := c.Store.Ready(ctx); {
	case errors.As(err, &schema) && schema.Newer():
		r.add("postgres", Fault, err.Error(), "deploy the release that the schema belongs to")
		return false
	case errors.As(err, &schema):
		r.add("postgres", Fault, err.Error(), "as the tables' owner: worker migrate")
		return false
	case err != nil:
		r.add("postgres", Fault, err.Error(), "as the tables' owner: worker migrate --grant-to ROLE")
		return false
	}
	r.add("postgres", OK, fmt.Sprintf("version %s, schema %d", server.Version, server.Schema), "")
	return c.role(ctx, r)
}

// role looks at the rights.
func (c Config) role(ctx context.Context, r *Report) (usable bool) {
	role, err := c.Store.Role(ctx)
	switch {
	case err != nil:
		r.add("postgres", Fault, err.Error(), "as the tables' owner: worker migrate --grant-to ROLE")
		return false
	case len(role.Missing) > 0:
		r.add("postgres", Fault, fmt.Sprintf("role %q lacks %v", role.Name, role.Missing), fmt.Sprintf("as the tables' owner: worker migrate --grant-to %s", role.Name))
		return false
	case !role.Walled:
		r.add("postgres", Warning, fmt.Sprintf("role %q owns the tables or goes past row level security: nothing but the programs' own care keeps tenants apart", role.Name),
			"give worker and CLI a role of their own: docs/security.md, least rights")
	default:
		r.add("postgres", OK, fmt.Sprintf("role %q has the rights that it needs, and is held by row level security", role.Name), "")
	}
	return true
}

// redis looks at version, eviction, persistence and rights.
func (c Config) redis(ctx context.Context, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	warnings, err := c.Queue.Check(ctx)
	switch {
	case errors.Is(err, tasks.ErrUnfit):
		r.add("redis", Fault, err.Error(), "set what the text says; docs/operating.md, Redis, has the whole setup")
	case err != nil:
		r.add("redis", Fault, err.Error(), "check that it runs, that REDIS_URL names it, and its user and password")
	case len(warnings) == 0:
		r.add("redis", OK, "version, eviction policy, persistence and rights are as they should be", "")
	}
	for _, w := range warnings {
		r.add("redis", Warning, w, "set what the text says; docs/operating.md, Redis, has the whole setup")
	}
}

// keys looks whether all credentials are under keys that are here.
func (c Config) keys(ctx context.Context, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	uses, err := c.Store.KeyUses(ctx)
	if err != nil {
		r.add("keys", Fault, err.Error(), "")
		return
	}
	sound := 0
	for _, u := range uses {
		switch {
		case u.Role == repo.KeyMissing:
			r.add("keys", Fault, fmt.Sprintf("%d credentials are sealed with key %d, which is not in the key set", u.Secrets, u.ID),
				"give this worker the newest key set (HALOSYNC_KEYSET); enqueue keyset status shows which keys are in use")
		case u.Role == repo.KeyUnreadable:
			r.add("keys", Fault, fmt.Sprintf("%d credentials are stored in a form that is not halosync's", u.Secrets),
				"restore them from a backup, or give them anew: enqueue connection update NAME --client-secret-file FILE")
		case u.Role == secret.Reads && u.Secrets > 0:
			r.add("keys", Warning, fmt.Sprintf("%d credentials are still sealed with the older key %d", u.Secrets, u.ID),
				"nothing: a running worker seals them anew within a minute; do not prune the key before")
		default:
			sound += u.Secrets
		}
	}
	r.add("keys", OK, fmt.Sprintf("%d credentials are sealed with keys in force", sound), "")
}
