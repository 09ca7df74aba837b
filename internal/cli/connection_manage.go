package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

func (a *app) connectionList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the connections of the tenant", Args: cobra.NoArgs,
		Example: "  enqueue connection list -o json",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				all, err := p.store.Connections(ctx, p.tenant)
				if err != nil {
					return err
				}
				return list(a, view.Each(all, view.NewConnection), connectionColumns)
			})
		}),
	}
}

func (a *app) connectionShow() *cobra.Command {
	return a.onConnection("show", "Show a connection", needStore,
		func(ctx context.Context, p parts, ref string) (repo.Connection, error) {
			return p.engine.FindConnection(ctx, p.tenant, ref)
		})
}

func (a *app) connectionTest() *cobra.Command {
	return a.onConnection("test", "Test the stored credentials: fetch a token, read one client", needHalo,
		func(ctx context.Context, p parts, ref string) (repo.Connection, error) {
			conn, err := p.engine.TestConnection(ctx, p.tenant, ref)
			if err == nil {
				fmt.Fprintln(a.Err, "Halo accepts the credentials and returns clients")
			}
			return conn, err
		})
}

func (a *app) connectionPause() *cobra.Command {
	return a.onConnection("pause", "Pause a connection: refuse new runs until it is resumed", needStore,
		func(ctx context.Context, p parts, ref string) (repo.Connection, error) {
			return p.engine.PauseConnection(ctx, p.tenant, a.actor(), ref)
		})
}

func (a *app) connectionResume() *cobra.Command {
	return a.onConnection("resume", "Resume a paused connection", needStore,
		func(ctx context.Context, p parts, ref string) (repo.Connection, error) {
			return p.engine.ResumeConnection(ctx, p.tenant, a.actor(), ref)
		})
}

// onConnection returns a command that calls the function do with the name or id of a
// connection and prints the result.
func (a *app) onConnection(name, short string, required []string, do func(context.Context, parts, string) (repo.Connection, error)) *cobra.Command {
	return &cobra.Command{
		Use: name + " NAME|ID", Short: short, Args: exactly("a connection's name or id"),
		Example: fmt.Sprintf("  enqueue connection %s \"Acme Halo\"", name),
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, required, func(ctx context.Context, p parts) error {
				conn, err := do(ctx, p, args[0])
				if err != nil {
					return err
				}
				return one(a, view.NewConnection(conn), connectionDetail)
			})
		}),
	}
}

func (a *app) connectionUpdate() *cobra.Command {
	var f credentialFlags
	var name string
	var rotate bool
	cmd := &cobra.Command{
		Use:   "update NAME|ID",
		Short: "Change a connection in place; its mappings stay",
		Long: `update changes the given fields and keeps the others. The result is tested before
it is stored. A new client secret comes from --client-secret-file, or, with
--rotate-secret, from HALO_CLIENT_SECRET or a prompt. A new --domain or
--auth-server requires the secret again, and the value of an extra header, so that
the stored ones are never sent to another server. If the stored secret does not open,
the new one requires --domain and --auth-server, because the stored addresses may be
wrong. An empty --header-name removes the header.`,
		Example: "  enqueue connection update \"Acme Halo\" --client-secret-file new-secret.txt",
		Args:    exactly("a connection's name or id"),
	}
	cmd.RunE = a.do(func(ctx context.Context, args []string) error {
		if err := checkRate(f.rateLimit); err != nil {
			return err
		}
		return a.with(ctx, needHalo, func(ctx context.Context, p parts) error {
			change := engine.ConnectionChange{}
			for flag, set := range map[string]struct {
				value  *string
				target **string
			}{
				"name": {&name, &change.Name}, "domain": {&f.domain, &change.Domain},
				"auth-server": {&f.authServer, &change.AuthServer}, "halo-tenant": {&f.haloTenant, &change.HaloTenant},
				"client-id": {&f.clientID, &change.ClientID}, "rate-limit": {&f.rateLimit, &change.RateLimit},
				"header-name": {&f.headerName, &change.HeaderName},
			} {
				if cmd.Flags().Changed(flag) {
					*set.target = set.value
				}
			}
			var err error
			if change.HeaderValue, err = f.header(a); err != nil {
				return err
			}
			if rotate || f.secretFile != "" {
				var value secret.String
				if value, err = a.secret(f.secretFile); err != nil {
					return err
				}
				change.Secret = &value
			}
			conn, receipt, err := p.engine.UpdateConnection(ctx, p.tenant, a.actor(), args[0], change)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Err, "tested and stored")
			if receipt.RunID != "" {
				fmt.Fprintf(a.Err, "a resync of its mappings was requested: enqueue runs watch %s\n", receipt.RunID)
			}
			return one(a, view.NewConnection(conn), connectionDetail)
		})
	})
	f.register(cmd)
	cmd.Flags().StringVar(&name, "name", "", "new name")
	cmd.Flags().BoolVar(&rotate, "rotate-secret", false, "read a new client secret from $HALO_CLIENT_SECRET or a prompt")
	return cmd
}

func (a *app) connectionRemove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove NAME|ID",
		Short: "Remove a connection with its mappings and runs; companies stay",
		Long:  "remove shows what would be removed. It removes the connection only with --yes.",
		Example: `  enqueue connection remove "Acme Halo"
  enqueue connection remove "Acme Halo" --yes`,
		Args: exactly("a connection's name or id"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				conn, err := p.engine.FindConnection(ctx, p.tenant, args[0])
				if err != nil {
					return err
				}
				what, err := p.store.PreviewRemoval(ctx, p.tenant, conn.ID)
				if err != nil {
					return err
				}
				text := fmt.Sprintf("connection %q with %s, %s and %s (companies stay)", conn.Name, plaintext.Plural(what.Mappings, "mapping", "mappings"),
					plaintext.Plural(what.Runs, "run", "runs"), plaintext.Plural(what.Clients, "stored client", "stored clients"))
				if !yes {
					return usagef("would remove %s; confirm with --yes", text)
				}
				if err := p.store.RemoveConnection(ctx, p.tenant, a.actor(), conn.ID); err != nil {
					return err
				}
				fmt.Fprintln(a.Err, "removed", text)
				return nil
			})
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "remove the connection")
	return cmd
}
