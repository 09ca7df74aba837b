package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

// sessionView is the JSON record of a session of the console.
type sessionView struct {
	ID         string     `json:"id"`
	Tenant     string     `json:"tenant"`
	Actor      string     `json:"actor"`
	Scope      string     `json:"scope"`
	APIKeyID   *string    `json:"api_key_id"` // nil: the product signed its user in
	Address    string     `json:"address"`
	UserAgent  string     `json:"user_agent"`
	CreatedAt  *time.Time `json:"created_at"`
	LastSeenAt *time.Time `json:"last_seen_at"` // accurate to a minute
	ExpiresAt  *time.Time `json:"expires_at"`
}

func viewSession(s repo.OpenSession) sessionView {
	v := sessionView{
		ID: s.ID.String(), Tenant: s.Tenant, Actor: s.Actor, Scope: s.Scope, Address: s.Address, UserAgent: s.UserAgent,
		CreatedAt: view.UTC(&s.CreatedAt), LastSeenAt: view.UTC(&s.LastSeenAt), ExpiresAt: view.UTC(&s.ExpiresAt),
	}
	if s.APIKeyID != nil {
		id := s.APIKeyID.String()
		v.APIKeyID = &id
	}
	return v
}

var sessionColumns = []column[sessionView]{
	{title: "id", value: func(s sessionView) string { return s.ID }},
	{title: "tenant", extra: true, value: func(s sessionView) string { return s.Tenant }},
	{title: "actor", wide: true, value: func(s sessionView) string { return s.Actor }},
	{title: "scope", value: func(s sessionView) string { return s.Scope }},
	{title: "address", value: func(s sessionView) string { return s.Address }},
	{title: "user_agent", wide: true, extra: true, value: func(s sessionView) string { return s.UserAgent }},
	{title: "created", extra: true, value: func(s sessionView) string { return stamp(s.CreatedAt) }},
	{title: "last_seen", value: func(s sessionView) string { return stamp(s.LastSeenAt) }},
	{title: "expires", extra: true, value: func(s sessionView) string { return stamp(s.ExpiresAt) }},
}

func (a *app) sessionCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "session", Aliases: []string{"sessions"}, Short: "List and end sessions of the console",
		Example: "  enqueue session list\n  enqueue session end --user anna@msp.example",
	}
	group.AddCommand(a.sessionList(), a.sessionEnd())
	return group
}

func (a *app) sessionList() *cobra.Command {
	var user string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the open sessions of the console, most recently used first", Args: cobra.NoArgs,
		Long: `list shows who is signed in to the console, since when and from where. A session that the
product started is listed until it expires, even if its sign-in secret was replaced and
the workers therefore refuse the session.`,
		Example: "  enqueue session list\n  enqueue session list --user anna@msp.example -o json\n  enqueue session list --all-tenants",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, all, func(ctx context.Context, p parts) error {
				f := repo.SessionFilter{Actor: userActor(user)}
				var sessions []repo.OpenSession
				var err error
				if all {
					sessions, err = p.store.SessionsOfAll(ctx, f)
				} else {
					sessions, err = p.store.Sessions(ctx, p.tenant, f)
				}
				if err != nil {
					return err
				}
				return list(a, view.Each(sessions, viewSession), sessionColumns)
			})
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "only sessions of this user of the product (sub of the sign-in token)")
	cmd.Flags().BoolVar(&all, "all-tenants", false, "sessions of all tenants of the installation")
	return cmd
}

// userActor returns the actor of a user whom the product signs in, or an empty string for
// an empty user.
func userActor(user string) string {
	if user == "" || strings.HasPrefix(user, "user:") {
		return user
	}
	return "user:" + user
}

// sessionsToEnd holds the flags of "session end" that choose the sessions.
type sessionsToEnd struct {
	user, key       string
	all, allTenants bool
}

func (a *app) sessionEnd() *cobra.Command {
	var choice sessionsToEnd
	cmd := &cobra.Command{
		Use: "end [ID] [--user USER | --key NAME|ID | --all] [--all-tenants]", Short: "End sessions of the console", Args: cobra.MaximumNArgs(1),
		Long: `end ends one session, all sessions of a user, all sessions that were started with an
API key, or all sessions of the tenant. With --all-tenants, it ends all sessions, or all
sessions of a user, in the whole installation. Every worker refuses the next request of
an ended session. A person whose key is still valid, or whom the product still signs in,
can sign in again. "apikey revoke" ends a key together with its sessions.`,
		Example: `  enqueue session end 0193f2a4-c5d7-4e0a-9b1c-2d3e4f506172
  enqueue session end --user anna@msp.example
  enqueue session end --key console
  enqueue session end --all --all-tenants`,
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := choice.check(args); err != nil {
				return err
			}
			return a.withStore(ctx, choice.allTenants, func(ctx context.Context, p parts) error { return a.endSessions(ctx, p, choice, args) })
		}),
	}
	cmd.Flags().StringVar(&choice.user, "user", "", "end all sessions of this user of the product (sub of the sign-in token)")
	cmd.Flags().StringVar(&choice.key, "key", "", "end all sessions that were started with this API key (name or id)")
	cmd.Flags().BoolVar(&choice.all, "all", false, "end all sessions of the tenant")
	cmd.Flags().BoolVar(&choice.allTenants, "all-tenants", false, "with --user or --all: in all tenants of the installation")
	return cmd
}

// check returns a usage error unless exactly one of the flags or an id is given.
func (c sessionsToEnd) check(args []string) error {
	chosen := len(args)
	for _, made := range []bool{c.user != "", c.key != "", c.all} {
		if made {
			chosen++
		}
	}
	switch {
	case chosen != 1:
		return usagef("give either a session's id, --user, --key or --all")
	case c.allTenants && (len(args) > 0 || c.key != ""):
		return usagef("--all-tenants needs --user or --all: an id or a key belongs to one tenant")
	}
	return nil
}

func (a *app) endSessions(ctx context.Context, p parts, choice sessionsToEnd, args []string) error {
	f := repo.SessionFilter{Actor: userActor(choice.user)}
	missing := &engine.NotFoundError{What: "session", Hint: `"enqueue session list" shows those of this tenant`}
	if len(args) > 0 {
		missing.Name = args[0]
		id, err := uuid.Parse(args[0])
		if err != nil {
			return missing
		}
		f.ID = &id
	}
	if choice.key != "" {
		key, err := access.FindKey(ctx, p.store, p.tenant, choice.key)
		if err != nil {
			return err
		}
		f.APIKeyID = &key.ID
	}
	var n int
	var err error
	if choice.allTenants {
		n, err = p.store.EndSessionsOfAll(ctx, a.actor(), f)
	} else {
		n, err = p.store.EndSessions(ctx, p.tenant, a.actor(), f)
	}
	if err != nil {
		return err
	}
	if n == 0 && f.ID != nil {
		return missing
	}
	return one(a, endedView{n}, endedColumns)
}

// endedView is the JSON record of the number of ended sessions.
type endedView struct {
	Ended int `json:"ended"`
}

var endedColumns = []column[endedView]{{title: "ended", value: func(e endedView) string { return strconv.Itoa(e.Ended) }}}
