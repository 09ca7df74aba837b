package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

// apiKeyView is a key as the CLI prints it.
type apiKeyView struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scope      string     `json:"scope"`
	State      string     `json:"state"` // active, expired or revoked
	CreatedBy  string     `json:"created_by"`
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // to the minute
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	// Key is told by "apikey new" alone.
	Key string `json:"key,omitempty"`
}

func viewAPIKey(k repo.APIKey) apiKeyView {
	v := apiKeyView{
		ID: k.ID.String(), Name: k.Name, Scope: k.Scope, State: "active", CreatedBy: k.CreatedBy, CreatedAt: view.UTC(&k.CreatedAt),
		LastUsedAt: view.UTC(k.LastUsedAt), ExpiresAt: view.UTC(k.ExpiresAt), RevokedAt: view.UTC(k.RevokedAt),
	}
	switch {
	case k.RevokedAt != nil:
		v.State = "revoked"
	case k.ExpiresAt != nil && k.ExpiresAt.Before(time.Now()):
		v.State = "expired"
	}
	return v
}

var apiKeyColumns = []column[apiKeyView]{
	{title: "id", extra: true, value: func(k apiKeyView) string { return k.ID }},
	{title: "name", wide: true, value: func(k apiKeyView) string { return k.Name }},
	{title: "scope", value: func(k apiKeyView) string { return k.Scope }},
	{title: "state", value: func(k apiKeyView) string { return k.State }},
	{title: "last_used", value: func(k apiKeyView) string { return stamp(k.LastUsedAt) }},
	{title: "expires", value: func(k apiKeyView) string { return stamp(k.ExpiresAt) }},
	{title: "created", value: func(k apiKeyView) string { return stamp(k.CreatedAt) }},
	{title: "created_by", extra: true, value: func(k apiKeyView) string { return k.CreatedBy }},
}

func (a *app) apikeyCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "apikey", Aliases: []string{"apikeys"}, Short: "Keys for the HTTP API and the console",
		Example: "  enqueue apikey new \"Anna's browser\" --scope write --expires 90d\n  enqueue apikey list",
	}
	group.AddCommand(a.apikeyNew(), a.apikeyList(), a.apikeyRevoke())
	return group
}

func (a *app) apikeyNew() *cobra.Command {
	var scope, expires string
	cmd := &cobra.Command{
		Use: "new NAME --scope read|write|admin|ops", Short: "Make a key, and print it this once", Args: exactly("the key's name"),
		Long: `new prints a key of the tenant. It is not stored and cannot be shown again. Programs
send it as "Authorization: Bearer KEY", people sign in to the console with it.

Scopes: "read" sees everything but credentials, "write" may also import, map, unmap
and resync, "admin" also add, change and remove connections and schedules. "ops" is for
who runs the installation: everything of its tenant, and the queues at /asynqmon/, which
hold the tasks of all tenants.`,
		Example: "  enqueue apikey new console --scope admin --expires 90d\n  (umask 077; enqueue apikey new nightly-report --scope read > key.txt)",
		RunE: a.do(func(ctx context.Context, args []string) error {
			lasts, err := parseExpires(expires)
			if err != nil {
				return usagef("--expires %.40q: %v", expires, err)
			}
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				key, text, err := access.NewKey(ctx, p.store, p.tenant, a.actor(), args[0], access.Scope(scope), lasts)
				if err != nil {
					return err
				}
				view := viewAPIKey(key)
				if a.format != "table" { // for programs: the key beside what it is
					view.Key = text.Reveal()
					return one(a, view, append(apiKeyColumns[:len(apiKeyColumns):len(apiKeyColumns)], column[apiKeyView]{
						title: "key", value: func(k apiKeyView) string { return k.Key }}))
				}
				until := "does not expire"
				if view.ExpiresAt != nil {
					until = "expires " + stamp(view.ExpiresAt)
				}
				fmt.Fprintf(a.Err, "key %q, scope %s, %s; it cannot be shown again\n", plaintext.Printable(key.Name), key.Scope, until)
				fmt.Fprintln(a.Out, text.Reveal())
				return nil
			})
		}),
	}
	cmd.Flags().StringVar(&scope, "scope", "", "what it may do: read, write, admin or ops")
	cmd.Flags().StringVar(&expires, "expires", "", "how long it is good for, such as 90d or 12h; default for ever")
	required(cmd, "scope")
	return cmd
}

// parseExpires reads a length of time; nothing is 0, for ever.
func parseExpires(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if most := 3650 * 24 * time.Hour; err != nil || d < time.Minute || d > most {
		return 0, fmt.Errorf("want a length of time from 1m to 3650d, such as 90d or 12h")
	}
	return d, nil
}

func (a *app) apikeyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The keys of the tenant, without what makes them work", Args: cobra.NoArgs,
		Example: "  enqueue apikey list -o json",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				keys, err := p.store.APIKeys(ctx, p.tenant)
				if err != nil {
					return err
				}
				return list(a, view.Each(keys, viewAPIKey), apiKeyColumns)
			})
		}),
	}
}

func (a *app) apikeyRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME|ID", Short: "Make a key worth nothing and end its sessions", Args: exactly("a key's name or id"),
		Long:    "revoke works at once, in every worker. It is safe to repeat. The name is free again afterwards.",
		Example: "  enqueue apikey revoke console",
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				key, sessions, err := access.RevokeKey(ctx, p.store, p.tenant, a.actor(), args[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Err, "revoked; sessions ended: %d\n", sessions)
				return one(a, viewAPIKey(key), apiKeyColumns)
			})
		}),
	}
}
