// Package doctor checks everything that a worker needs, from the environment to the
// Halo of each connection. It reports each fault with a remedy and changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Statuses of a finding.
const (
	OK      = "ok"
	Warning = "warning" // works but needs attention
	Fault   = "fault"   // does not work
	Skipped = "skipped" // could not be checked
)

// Finding is the result of one check.
type Finding struct {
	Area    string `json:"area"` // environment, postgres, redis, keys, clock, halo
	Status  string `json:"status"`
	Subject string `json:"subject,omitempty"` // for example "acme/main", tenant and connection
	What    string `json:"what"`
	Do      string `json:"do,omitempty"`
}

// Report is the list of findings, in the order of the checks.
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

// Config specifies what to check.
type Config struct {
	Store  *repo.Store
	Queue  *tasks.Server
	Engine *engine.Engine
	// Connections bounds the number of connections that are tested.
	Connections int
}

// checkTimeout bounds the checks of one server.
const checkTimeout = 10 * time.Second

// Examine runs all checks. It continues after a fault.
func Examine(ctx context.Context, c Config) Report {
	var r Report
	up := c.postgres(ctx, &r)
	c.redis(ctx, &r)
	if up {
		c.installation(ctx, &r)
	}
	c.clock(ctx, &r)
	if !up {
		r.add("keys", Skipped, "Postgres is unavailable", "")
		r.add("halo", Skipped, "Postgres is unavailable", "")
		return r
	}
	c.keys(ctx, &r)
	c.halo(ctx, &r)
	return r
}

// minPostgres is the oldest version that the schema supports.
const minPostgres = 15_00_00

// postgres checks server, schema and role. The result usable is false if the later checks
// cannot read the database.
func (c Config) postgres(ctx context.Context, r *Report) (usable bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	server, err := c.Store.Server(ctx)
	if err != nil {
		r.add("postgres", Fault, err.Error(),
			"check that Postgres is running, that DATABASE_URL is right, and that Postgres accepts this user from this machine (pg_hba.conf)")
		return false
	}
	if server.Number < minPostgres {
		r.add("postgres", Fault, "version "+server.Version, "upgrade Postgres to 15 or newer")
	}
	if server.ReadOnly {
		r.add("postgres", Fault, "the server is read-only: it is a standby, or its configuration forbids writing", "set DATABASE_URL to the primary")
	}
	if server.InUse*100 > server.Max*80 {
		r.add("postgres", Warning, fmt.Sprintf("%d of its %d connections are in use", server.InUse, server.Max),
			"raise max_connections, lower HALOSYNC_CONCURRENCY, or put PgBouncer in front of Postgres")
	}
	var schema *repo.SchemaError
	var encoding *repo.EncodingError
	switch err := c.Store.Ready(ctx); {
	case errors.As(err, &encoding):
		r.add("postgres", Fault, err.Error(), "docs/operating.md, A database that is not UTF8, describes how to move the data")
		return false
	case errors.As(err, &schema) && schema.Unreleased:
		r.add("postgres", Fault, err.Error(), "set DATABASE_URL to a new database, then: worker migrate")
		return false
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

// role checks the rights of the database role.
func (c Config) role(ctx context.Context, r *Report) (usable bool) {
	role, err := c.Store.Role(ctx)
	switch {
	case err != nil:
		r.add("postgres", Fault, err.Error(), "as the tables' owner: worker migrate --grant-to ROLE")
		return false
	case len(role.Missing) > 0:
		r.add("postgres", Fault, fmt.Sprintf("role %q lacks %v", role.Name, role.Missing),
			fmt.Sprintf("as the tables' owner: worker migrate --grant-to %s", role.Name))
		return false
	case !role.RowSecurity:
		r.add("postgres", Warning,
			fmt.Sprintf("role %q owns the tables or bypasses row level security: only the programs themselves keep tenants apart", role.Name),
			"give the worker and the CLI separate roles with fewer rights: see docs/security.md, least rights")
	case len(role.Excess) > 0:
		r.add("postgres", Warning, fmt.Sprintf("role %q may %s, which a worker does not need", role.Name, strings.Join(role.Excess, ", ")),
			fmt.Sprintf("as the tables' owner: worker migrate --grant-to %s", role.Name))
	default:
		r.add("postgres", OK, fmt.Sprintf("role %q has the rights that it needs and is subject to row level security", role.Name), "")
	}
	return true
}

// redis checks version, eviction policy, persistence and rights.
func (c Config) redis(ctx context.Context, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	warnings, err := c.Queue.Check(ctx)
	switch {
	case errors.Is(err, tasks.ErrUnfit):
		r.add("redis", Fault, err.Error(), "change the setting that the message names; docs/operating.md, Redis, describes the whole setup")
	case err != nil:
		r.add("redis", Fault, err.Error(), "check that Redis runs and that REDIS_URL has the right address, user and password")
	case len(warnings) == 0:
		r.add("redis", OK, "version, eviction policy, persistence and rights are correct", "")
	}
	for _, w := range warnings {
		r.add("redis", Warning, w, "change the setting that the message names; docs/operating.md, Redis, describes the whole setup")
	}
}

// installation checks that Redis does not belong to another installation.
func (c Config) installation(ctx context.Context, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	id, err := c.Store.Installation(ctx)
	if err == nil {
		err = c.Queue.CheckInstallation(ctx, id)
	}
	if other, ok := errors.AsType[*tasks.OtherInstallationError](err); ok {
		r.add("redis", Fault, other.Error(), "give each installation its own Redis; docs/operating.md, Two installations, describes how")
	}
}

// keys checks that the key set can decrypt all credentials.
func (c Config) keys(ctx context.Context, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	uses, err := c.Store.KeyUses(ctx)
	if err != nil {
		r.add("keys", Fault, err.Error(), "")
		return
	}
	current := 0
	for _, u := range uses {
		switch {
		case u.Role == repo.KeyMissing:
			r.add("keys", Fault, fmt.Sprintf("%s sealed with key %d, which is not in the key set", credentialsAre(u.Secrets), u.ID),
				"give this worker the newest key set (HALOSYNC_KEYSET); enqueue keyset status shows which keys are in use")
		case u.Role == repo.KeyUnreadable:
			r.add("keys", Fault, credentialsAre(u.Secrets)+" stored in an unknown format",
				"restore them from a backup, or enter them again: enqueue connection update NAME --domain D --auth-server A --client-secret-file FILE")
		case u.Role == secret.Reads && u.Secrets > 0:
			r.add("keys", Warning, fmt.Sprintf("%s still sealed with the older key %d", credentialsAre(u.Secrets), u.ID),
				"wait: a running worker re-seals them within a minute; do not prune the key before that")
		default:
			current += u.Secrets
		}
	}
	r.add("keys", OK, credentialsAre(current)+" sealed with the current key", "")
}

func credentialsAre(n int) string { return plaintext.Plural(n, "credential is", "credentials are") }
