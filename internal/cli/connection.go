package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/view"
)

var connectionColumns = []column[view.Connection]{
	{title: "id", value: func(c view.Connection) string { return c.ID }},
	{title: "name", wide: true, value: func(c view.Connection) string { return c.Name }},
	{title: "state", value: func(c view.Connection) string { return string(c.State) }},
	{title: "mappings", value: func(c view.Connection) string { return fmt.Sprint(c.Mappings) }},
	{title: "last_success", value: func(c view.Connection) string { return stamp(c.LastSuccessAt) }},
	{title: "domain", wide: true, value: func(c view.Connection) string { return c.Domain }},
	{title: "halo_tenant", value: func(c view.Connection) string { return c.HaloTenant }},
	{title: "state_reason", wide: true, value: func(c view.Connection) string { return c.StateReason }},
}

// connectionDetail contains the columns for a single connection.
var connectionDetail = append(connectionColumns[:len(connectionColumns):len(connectionColumns)],
	column[view.Connection]{title: "auth_server", value: func(c view.Connection) string { return c.AuthServer }},
	column[view.Connection]{title: "client_id", value: func(c view.Connection) string { return c.ClientID }},
	column[view.Connection]{title: "header_name", value: func(c view.Connection) string { return c.HeaderName }},
	column[view.Connection]{title: "rate_limit", value: func(c view.Connection) string { return c.RateLimit }},
)

func (a *app) connectionCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "connection", Aliases: []string{"connections"},
		Short:   "Manage the Halo PSA connections of the tenant",
		Example: "  enqueue connection list\n  enqueue connection test \"Acme Halo\"",
	}
	group.AddCommand(a.connectionAdd(), a.connectionList(), a.connectionShow(), a.connectionTest(),
		a.connectionUpdate(), a.connectionPause(), a.connectionResume(), a.connectionRemove())
	return group
}

// credentialFlags contains the flags that add and update share.
type credentialFlags struct {
	domain, authServer, haloTenant, clientID, secretFile, rateLimit, headerName, headerFile string
}

func (f *credentialFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.domain, "domain", "", "resource server: host, host/path or URL (Halo shows it as …/api)")
	cmd.Flags().StringVar(&f.authServer, "auth-server", "", "authorisation server: host, host/path or URL (Halo shows it as …/auth); one that ends in /token is used as it is")
	cmd.Flags().StringVar(&f.haloTenant, "halo-tenant", "", "tenant name, for hosted Halo only")
	cmd.Flags().StringVar(&f.clientID, "client-id", "", "client ID of the Halo application")
	cmd.Flags().StringVar(&f.secretFile, "client-secret-file", "", `file with the client secret, "-" for standard input; else $HALO_CLIENT_SECRET, else a prompt`)
	cmd.Flags().StringVar(&f.rateLimit, "rate-limit", "", "requests per window for this Halo, e.g. 300/5m; default $HALOSYNC_RATE_LIMIT")
	cmd.Flags().StringVar(&f.headerName, "header-name", "", "name of your own HTTP header, which is sent with every request to this Halo")
	cmd.Flags().StringVar(&f.headerFile, "header-value-file", "", `file with the header's value, "-" for standard input`)
}

// header reads the value of the header from its file, or returns nil if no file is given.
func (f *credentialFlags) header(a *app) (*secret.String, error) {
	if f.headerFile == "" {
		return nil, nil //nolint:nilnil // no file
	}
	if f.headerFile == "-" && f.secretFile == "-" {
		return nil, usagef("--client-secret-file and --header-value-file cannot both be standard input: use a file for one of them")
	}
	value, err := a.secretFrom("header-value-file", f.headerFile, "the header's value")
	return &value, err
}

func (a *app) connectionAdd() *cobra.Command {
	var f credentialFlags
	cmd := &cobra.Command{
		Use:   "add NAME --domain D --auth-server A --client-id I",
		Short: "Test and store a set of credentials",
		Long: `add fetches a token and reads one client before it stores anything. The secret is
stored encrypted. It never appears on the command line: it comes from a file, from
standard input, from HALO_CLIENT_SECRET or from a prompt. Other users must not be able
to read or change the file (chmod 600).

If Halo or a gateway in front of it needs an additional HTTP header, name it with
--header-name. Its value is a secret, too, and comes from --header-value-file.`,
		Example: `  enqueue connection add "Acme Halo" --domain acme.halopsa.com --auth-server acme.halopsa.com/auth --client-id 1f0c9e62 --client-secret-file secret.txt`,
		Args:    exactly("the connection's name"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := checkRate(f.rateLimit); err != nil {
				return err
			}
			return a.with(ctx, needHalo, func(ctx context.Context, p parts) error {
				header, err := f.header(a)
				if err != nil {
					return err
				}
				value, err := a.secret(f.secretFile)
				if err != nil {
					return err
				}
				input := engine.ConnectionInput{
					Name: args[0], Domain: f.domain, AuthServer: f.authServer, HaloTenant: f.haloTenant,
					ClientID: f.clientID, Secret: value, RateLimit: f.rateLimit, HeaderName: f.headerName,
				}
				if header != nil {
					input.HeaderValue = *header
				}
				conn, err := p.engine.AddConnection(ctx, p.tenant, a.actor(), input)
				if err != nil {
					return err
				}
				fmt.Fprintln(a.Err, "tested and stored")
				return one(a, view.NewConnection(conn), connectionDetail)
			})
		}),
	}
	f.register(cmd)
	required(cmd, "domain", "auth-server", "client-id")
	return cmd
}

// required marks flags as mandatory.
func required(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is not registered
		}
	}
}

func checkRate(s string) error {
	if s == "" {
		return nil
	}
	if _, err := ratelimit.ParseRate(s); err != nil {
		return usagef("--rate-limit: %v", err)
	}
	return nil
}

// secret reads the client secret from a file, the environment or a prompt. The secret
// is never an argument, because every process on the machine can read arguments.
func (a *app) secret(file string) (secret.String, error) {
	if file == "" {
		if v := a.getenv("HALO_CLIENT_SECRET"); v != "" {
			return secret.NewString(v), nil
		}
		return a.prompt()
	}
	return a.secretFrom("client-secret-file", file, "the client secret")
}

// secretFrom reads the file that a flag names, which holds one line; the name "-" means
// standard input.
func (a *app) secretFrom(flag, file, what string) (secret.String, error) {
	in := a.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return secret.String{}, usagef("--%s: %v", flag, err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil {
			err = secret.CheckMode(file, info, a.shared)
		}
		if err != nil {
			return secret.String{}, usagef("--%s: %v", flag, err)
		}
		in = f
	}
	const maxSecret = 64 << 10
	b, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
	if err != nil {
		return secret.String{}, fmt.Errorf("%s: %w", what, err)
	}
	value := strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff")) // editors on Windows write a byte order mark
	if strings.ContainsRune(value, 0) {
		return secret.String{}, usagef("--%s: it is UTF-16: save it as UTF-8", flag)
	}
	if value == "" || len(b) > maxSecret || strings.ContainsAny(value, "\r\n") {
		return secret.String{}, usagef("--%s: want one line with %s", flag, what)
	}
	return secret.NewString(value), nil
}

// prompt reads the secret from the terminal without echoing it.
func (a *app) prompt() (secret.String, error) {
	in, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return secret.String{}, usagef("no client secret: give --client-secret-file FILE (- for standard input) or set HALO_CLIENT_SECRET")
	}
	fmt.Fprint(a.Err, "Client secret (not shown): ")
	b, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.Err)
	if err != nil {
		return secret.String{}, fmt.Errorf("client secret: %w", err)
	}
	return secret.NewString(strings.TrimSpace(string(b))), nil
}

// exactly requires exactly one argument. The parameter what names the argument in the
// error.
func exactly(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%d arguments: want one, %s", len(args), what)
		}
		return nil
	}
}
