package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/repo"
)

// securityView is the JSON record of a security event.
type securityView struct {
	ID        int64     `json:"id"`
	At        time.Time `json:"at"`
	Tenant    string    `json:"tenant"` // empty: the whole installation, or unknown
	Kind      string    `json:"kind"`
	Outcome   string    `json:"outcome"`
	Actor     string    `json:"actor"`
	Address   string    `json:"address"`
	UserAgent string    `json:"user_agent"`
	Detail    string    `json:"detail"`
	Count     int       `json:"count"`      // number of equal events
	WrittenBy string    `json:"written_by"` // role in Postgres
}

func viewSecurity(e repo.SecurityEvent) securityView {
	return securityView{
		ID: e.ID, At: e.At.UTC(), Tenant: e.Tenant, Kind: string(e.Kind), Outcome: string(e.Outcome), Actor: e.Actor,
		Address: e.Address, UserAgent: e.UserAgent, Detail: e.Detail, Count: e.Count, WrittenBy: e.WrittenBy,
	}
}

var securityColumns = []column[securityView]{
	{title: "at", value: func(e securityView) string { return stamp(&e.At) }},
	{title: "tenant", extra: true, value: func(e securityView) string { return e.Tenant }},
	{title: "kind", value: func(e securityView) string { return e.Kind }},
	{title: "outcome", value: func(e securityView) string { return e.Outcome }},
	{title: "count", value: func(e securityView) string { return strconv.Itoa(e.Count) }},
	{title: "actor", wide: true, value: func(e securityView) string { return e.Actor }},
	{title: "address", value: func(e securityView) string { return e.Address }},
	{title: "detail", wide: true, value: func(e securityView) string { return e.Detail }},
	{title: "user_agent", wide: true, extra: true, value: func(e securityView) string { return e.UserAgent }},
	{title: "written_by", extra: true, value: func(e securityView) string { return e.WrittenBy }},
}

func (a *app) securityCommand() *cobra.Command {
	var since string
	var limit int
	var all bool
	cmd := &cobra.Command{
		Use: "security", Short: "List security events: sign-ins, refusals, changed keys and secrets; newest first", Args: cobra.NoArgs,
		Long: `security lists who signed in or was refused, who used a key or a session beyond its
scope, and who added or revoked keys, ended sessions, or changed the credentials or the
address of a connection. Refused keys and sign-ins, rotated key sets and granted rights
belong to no tenant; only --all-tenants shows them. A refusal is listed within a minute.
Equal refusals within a minute share one line, which shows their number.`,
		Example: "  enqueue security --since 24h\n  enqueue security --all-tenants --limit 0 -o csv",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			var f repo.SecurityFilter
			if since != "" {
				var err error
				if f.Since, err = parseSince(since, time.Now()); err != nil {
					return usagef("--since %q: %v", since, err)
				}
			}
			return a.withStore(ctx, all, func(ctx context.Context, p parts) error {
				events, err := collect(repo.AllSecurityEvents(f, func(f repo.SecurityFilter) ([]repo.SecurityEvent, error) {
					if all {
						return p.store.SecurityEventsOfAll(ctx, f)
					}
					return p.store.SecurityEvents(ctx, p.tenant, f)
				}), limit, viewSecurity)
				if err != nil {
					return err
				}
				return list(a, events, securityColumns)
			})
		}),
	}
	cmd.Flags().StringVar(&since, "since", "", "only events since this time in UTC (2026-01-31, 2026-01-31T08:00:00Z) or no older than this age (24h, 7d)")
	cmd.Flags().IntVar(&limit, "limit", 100, "maximum number of events; 0 for all")
	cmd.Flags().BoolVar(&all, "all-tenants", false, "events of all tenants and of the installation")
	return cmd
}
