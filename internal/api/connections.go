package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// connectionView is a connection; its secret is not in it.
type connectionView struct {
	ID            string     `json:"id" format:"uuid"`
	Tenant        string     `json:"tenant"`
	Name          string     `json:"name" doc:"Unique within the tenant." example:"Acme Halo"`
	Domain        string     `json:"domain" doc:"Halo's resource server." example:"https://acme.halopsa.com/api"`
	AuthServer    string     `json:"auth_server" doc:"Halo's authorisation server." example:"https://acme.halopsa.com/auth"`
	HaloTenant    string     `json:"halo_tenant" doc:"The tenant's name at a hosted Halo; else empty."`
	ClientID      string     `json:"client_id" doc:"The client ID of the application at Halo."`
	RateLimit     string     `json:"rate_limit" doc:"Requests per window, e.g. 300/5m; empty: the installation's default."`
	State         string     `json:"state" enum:"active,paused,needs_reconnect"`
	StateReason   string     `json:"state_reason"`
	ResyncCron    string     `json:"resync_cron" doc:"Its own schedule; empty: the installation's default."`
	NextResyncAt  *time.Time `json:"next_resync_at"`
	LastSuccessAt *time.Time `json:"last_success_at" doc:"When the last run that succeeded ended."`
	Mappings      int        `json:"mappings" doc:"How many are in force."`
}

func viewConnection(c repo.Connection) connectionView {
	return connectionView{
		ID: c.ID.String(), Tenant: c.Tenant, Name: c.Name, Domain: c.Domain, AuthServer: c.AuthServer,
		HaloTenant: c.HaloTenant, ClientID: c.ClientID, RateLimit: c.RateLimit,
		State: c.State, StateReason: c.StateReason, ResyncCron: c.ResyncCron,
		NextResyncAt: utc(c.NextResyncAt), LastSuccessAt: utc(c.LastSuccessAt), Mappings: c.Mappings,
	}
}

// utc brings a time into the zone that is promised.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// OneConnection is in the path of what is about a connection.
type OneConnection struct {
	Connection string `path:"connection" maxLength:"200" doc:"Id or name of the connection."`
}

type connectionOut struct {
	ETag     string `header:"ETag" doc:"For If-Match."`
	Location string `header:"Location"`
	Body     connectionView
}

func tagged(c repo.Connection) *connectionOut {
	return &connectionOut{ETag: etag(c), Body: viewConnection(c)}
}

type newConnection struct {
	Body struct {
		Name         string        `json:"name" minLength:"1" maxLength:"200" doc:"Unique within the tenant." example:"Acme Halo"`
		Domain       string        `json:"domain" minLength:"1" maxLength:"2000" doc:"Resource server: host, host/path or URL, as Halo shows it." example:"acme.halopsa.com/api"`
		AuthServer   string        `json:"auth_server" minLength:"1" maxLength:"2000" doc:"Authorisation server: likewise." example:"acme.halopsa.com/auth"`
		HaloTenant   string        `json:"halo_tenant,omitempty" maxLength:"200" doc:"For a hosted Halo only."`
		ClientID     string        `json:"client_id" minLength:"1" maxLength:"200"`
		ClientSecret secret.String `json:"client_secret" minLength:"1" maxLength:"2000" writeOnly:"true" doc:"Is stored sealed, and never shown again."`
		RateLimit    string        `json:"rate_limit,omitempty" maxLength:"100" doc:"Requests per window." example:"300/5m"`
	}
}

type listOf[T any] struct{ Body list[T] }

func (h *Handler) connections() {
	add(h, operation{
		id: "list-connections", method: http.MethodGet, path: "/connections", tag: "Connections", scope: access.Read,
		summary: "The connections, by name",
	}, func(ctx context.Context, p access.Principal, in *struct{ Page }) (*listOf[connectionView], error) {
		rows, err := h.connectionPage(ctx, p, in.Page)
		if err != nil {
			return nil, err
		}
		return &listOf[connectionView]{cut(rows, in.Limit, viewConnection, byName)}, nil
	})
	add(h, operation{
		id: "get-connection", method: http.MethodGet, path: "/connections/{connection}", tag: "Connections", scope: access.Read,
		summary: "One connection", errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, p access.Principal, in *OneConnection) (*connectionOut, error) {
		conn, err := h.engine.FindConnection(ctx, p.Tenant, in.Connection)
		if err != nil {
			return nil, err
		}
		return tagged(conn), nil
	})
	add(h, operation{
		id: "add-connection", method: http.MethodPost, path: "/connections", tag: "Connections", scope: access.Admin,
		status: http.StatusCreated, halo: true, summary: "Test credentials and store them",
		about: "A token is fetched and one client read before anything is stored. Credentials that Halo does not accept are 422, a Halo that does not answer is 502 or 504.",
	}, h.addConnection)
}

func (h *Handler) addConnection(ctx context.Context, p access.Principal, in *newConnection) (*connectionOut, error) {
	b := in.Body
	conn, err := h.engine.AddConnection(ctx, p.Tenant, p.Actor, engine.ConnectionInput{
		Name: b.Name, Domain: b.Domain, AuthServer: b.AuthServer, HaloTenant: b.HaloTenant,
		ClientID: b.ClientID, Secret: b.ClientSecret, RateLimit: b.RateLimit,
	})
	if err != nil {
		return nil, err
	}
	out := tagged(conn)
	out.Location = Prefix + "/connections/" + url.PathEscape(conn.ID.String())
	return out, nil
}

const connectionsCursor = "connections"

func byName(c repo.Connection) string { return cursor(connectionsCursor, c.Name) }

// connectionPage is a page of the tenant's connections, which are few.
func (h *Handler) connectionPage(ctx context.Context, p access.Principal, in Page) ([]repo.Connection, error) {
	after, err := parseCursor(connectionsCursor, in.After, 1)
	if err != nil {
		return nil, err
	}
	rows, err := h.store.Connections(ctx, p.Tenant)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b repo.Connection) int { return cmp.Compare(a.Name, b.Name) })
	return slices.DeleteFunc(rows, func(c repo.Connection) bool { return after != nil && c.Name <= after[0] }), nil
}

// only finds the connection that a list is narrowed to; nil for none.
func (h *Handler) only(ctx context.Context, p access.Principal, ref string) (*uuid.UUID, error) {
	if ref == "" {
		return nil, nil //nolint:nilnil // no filter
	}
	conn, err := h.engine.FindConnection(ctx, p.Tenant, ref)
	return &conn.ID, err
}
