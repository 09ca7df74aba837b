package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

// OneConnection is the path parameter of operations on a single connection.
type OneConnection struct {
	Connection string `path:"connection" maxLength:"200" doc:"Id or name of the connection."`
}

type connectionOut struct {
	ETag     string `header:"ETag" doc:"For If-Match."`
	Location string `header:"Location"`
	Body     view.Connection
}

func tagged(c repo.Connection) *connectionOut {
	return &connectionOut{ETag: etag(c), Body: view.NewConnection(c)}
}

type newConnection struct {
	Body struct {
		Name         string        `json:"name" minLength:"1" maxLength:"200" doc:"Unique within the tenant." example:"Acme Halo"`
		Domain       string        `json:"domain" minLength:"1" maxLength:"2000" doc:"Resource server: host, host/path or URL, as Halo shows it." example:"acme.halopsa.com/api"`
		AuthServer   string        `json:"auth_server" minLength:"1" maxLength:"2000" doc:"Authorisation server, in the same forms. An address that ends in /token is used as it is; otherwise the likely paths on its host are tried, and the one that issues a token is stored." example:"acme.halopsa.com/auth"`
		HaloTenant   string        `json:"halo_tenant,omitempty" maxLength:"200" doc:"For hosted Halo only."`
		ClientID     string        `json:"client_id" minLength:"1" maxLength:"200"`
		ClientSecret secret.String `json:"client_secret" minLength:"1" maxLength:"2000" writeOnly:"true" doc:"Stored encrypted, never shown again."`
		RateLimit    string        `json:"rate_limit,omitempty" maxLength:"100" doc:"Requests per window." example:"300/5m"`

		HeaderName  string         `json:"header_name,omitempty" maxLength:"100" doc:"Name of your own HTTP header, which is sent with every request to Halo." example:"X-Gateway-Key"`
		HeaderValue *secret.String `json:"header_value,omitempty" minLength:"1" maxLength:"4000" writeOnly:"true" doc:"Value of that header. Stored encrypted, never shown again."`
	}
}

func (h *Handler) connections() {
	add(h, operation{
		id: "list-connections", method: http.MethodGet, path: "/connections", tag: "Connections", scope: access.Read,
		summary: "List the connections, by name",
	}, func(ctx context.Context, p access.Principal, in *struct{ Page }) (*listOf[view.Connection], error) {
		rows, err := h.connectionPage(ctx, p, in.Page)
		return page(rows, err, in.Limit, view.NewConnection, byName)
	})
	add(h, operation{
		id: "get-connection", method: http.MethodGet, path: "/connections/{connection}", tag: "Connections", scope: access.Read,
		summary: "Show a connection", errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, p access.Principal, in *OneConnection) (*connectionOut, error) {
		conn, err := h.engine.FindConnection(ctx, p.Tenant, in.Connection)
		if err != nil {
			return nil, err
		}
		return tagged(conn), nil
	})
	add(h, operation{
		id: "add-connection", method: http.MethodPost, path: "/connections", tag: "Connections", scope: access.Admin,
		status: http.StatusCreated, halo: true, summary: "Test and store credentials",
		about: "Fetches a token and reads one client before it stores anything. The answer is 422 if Halo refuses the credentials, and 502 or 504 if Halo does not answer.",
	}, h.addConnection)
}

func (h *Handler) addConnection(ctx context.Context, p access.Principal, in *newConnection) (*connectionOut, error) {
	b := in.Body
	input := engine.ConnectionInput{
		Name: b.Name, Domain: b.Domain, AuthServer: b.AuthServer, HaloTenant: b.HaloTenant,
		ClientID: b.ClientID, Secret: b.ClientSecret, RateLimit: b.RateLimit, HeaderName: b.HeaderName,
	}
	if b.HeaderValue != nil {
		input.HeaderValue = *b.HeaderValue
	}
	conn, err := h.engine.AddConnection(ctx, p.Tenant, p.Actor, input)
	if err != nil {
		return nil, err
	}
	out := tagged(conn)
	out.Location = Prefix + "/connections/" + url.PathEscape(conn.ID.String())
	return out, nil
}

const connectionsCursor = "connections"

func byName(c repo.Connection) string { return cursor(connectionsCursor, c.Name) }

// connectionPage returns a page of the tenant's connections. It reads them all, because
// tenants have few connections.
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

// [Handler.only] returns the id of the connection that a list is restricted to, or nil if
// ref is empty.
func (h *Handler) only(ctx context.Context, p access.Principal, ref string) (*uuid.UUID, error) {
	if ref == "" {
		return nil, nil //nolint:nilnil // no filter
	}
	conn, err := h.engine.FindConnection(ctx, p.Tenant, ref)
	return &conn.ID, err
}
