package cli

import (
	"context"
	"errors"
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

// apiKeyView is the JSON record of an API key.
type apiKeyView struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scope      string     `json:"scope"`
	State      string     `json:"state"` // active, expired or revoked
	CreatedBy  string     `json:"created_by"`
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // accurate to a minute
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	// Key is the API key, which only "apikey new" prints.
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
		Use: "apikey", Aliases: []string{"apikeys"}, Short: "Manage API keys for the HTTP API and the console",
		Example: "  enqueue apikey new \"Anna's browser\" --scope write --expires 90d\n  enqueue apikey list",
	}
	group.AddCommand(a.apikeyNew(), a.apikeyList(), a.apikeyRevoke())
	return group
}

func (a *app) apikeyNew() *cobra.Command {
	var scope, expires string
	cmd := &cobra.Command{
		Use: "new NAME --scope read|write|admin|ops", Short: "Create an API key and print it once", Args: exactly("the key's name"),
		Long: `new creates an API key of the tenant and prints it. The key itself is not stored and
cannot be shown again. If it could not be printed, it is revoked. Programs send the key
as "Authorization: Bearer KEY"; people sign in to the console with the key.

Scopes: "read" shows everything but credentials; "write" can also import, map, unmap
and resync; "admin" can also add, change and remove connections and schedules. "ops" is
for the operators of the installation: it can do everything in its tenant and shows the
queues at /asynqmon/, which hold the tasks of all tenants. Only the owner of the tables
can create a key of the scope ops: for this command, set DATABASE_URL to that of the
owner. All other keys need the CLI's role ("worker migrate --grant-cli-to ROLE").`,
		Example: "  enqueue apikey new console --scope admin --expires 90d\n  (umask 077; enqueue apikey new nightly-report --scope read > key.txt)",
		RunE: a.do(func(ctx context.Context, args []string) error {
			lasts, err := parseExpires(expires)
			if err != nil {
				return usagef("--expires %.40q: %v", expires, err)
			}
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				if err := a.Out.CanShow(); err != nil {
					return err
				}
				key, text, err := access.NewKey(ctx, p.store, p.tenant, a.actor(), args[0], access.Scope(scope), lasts)
				if err != nil {
					return err
				}
				view := viewAPIKey(key)
				if err := a.printKey(view, text.Reveal()); err != nil {
					return a.revokeUnseen(ctx, p, key, err)
				}
				until := "does not expire"
				if view.ExpiresAt != nil {
					until = "expires " + stamp(view.ExpiresAt)
				}
				if a.format == "table" {
					fmt.Fprintf(a.Err, "key %q, scope %s, %s; it cannot be shown again\n", plaintext.Printable(key.Name), key.Scope, until)
				}
				return nil
			})
		}),
	}
	cmd.Flags().StringVar(&scope, "scope", "", "scope of the key: read, write, admin or ops")
	cmd.Flags().StringVar(&expires, "expires", "", "how long the key is valid, such as 90d or 12h; default: no expiry")
	required(cmd, "scope")
	return cmd
}

// printKey prints a new key: for a person only the key itself, for a program its whole
// record. It returns an error if the key could not be written. It closes the output, so
// nothing can be printed afterwards.
func (a *app) printKey(v apiKeyView, text string) error {
	if a.format == "table" {
		fmt.Fprintln(a.Out, text)
		return a.Out.Close()
	}
	v.Key = text
	err := one(a, v, append(apiKeyColumns[:len(apiKeyColumns):len(apiKeyColumns)], column[apiKeyView]{
		title: "key", value: func(k apiKeyView) string { return k.Key }}))
	return errors.Join(err, a.Out.Close())
}

// revokeTimeout limits the time to revoke a key that could not be printed. The key is
// revoked even if the command was interrupted.
const revokeTimeout = 10 * time.Second

// revokeUnseen revokes a key that could not be shown because of err. Otherwise, a valid key
// would exist that no one has.
func (a *app) revokeUnseen(ctx context.Context, p parts, key repo.APIKey, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	if _, _, rerr := access.RevokeKey(ctx, p.store, p.tenant, a.actor(), key.ID.String()); rerr != nil {
		return fmt.Errorf("key %q could neither be shown (%w) nor revoked (%w): run \"enqueue apikey revoke %s\"", key.Name, err, rerr, key.ID)
	}
	return fmt.Errorf("key %q was revoked because it could not be shown: %w", key.Name, err)
}

// maxExpires is the maximum lifetime of a key that expires.
const maxExpires = 3650 * 24 * time.Hour

// parseExpires parses a duration. An empty string means no expiry and returns 0.
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
	if err != nil || d < time.Minute || d > maxExpires {
		return 0, fmt.Errorf("want a duration from 1m to 3650d, such as 90d or 12h")
	}
	return d, nil
}

func (a *app) apikeyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the API keys of the tenant, without the keys themselves", Args: cobra.NoArgs,
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
		Use: "revoke NAME|ID", Short: "Revoke an API key and end its sessions", Args: exactly("a key's name or id"),
		Long:    "revoke takes effect in every worker at once. Revoking a key twice is safe. A new key can use the same name.",
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
