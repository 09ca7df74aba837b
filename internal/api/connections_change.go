package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

// Changed contains the parameters of operations that change a connection.
type Changed struct {
	OneConnection
	Condition
}

type connectionPatch struct {
	Changed
	Body struct {
		Name         *string        `json:"name,omitempty" minLength:"1" maxLength:"200"`
		Domain       *string        `json:"domain,omitempty" minLength:"1" maxLength:"2000" doc:"A new address requires the client secret again."`
		AuthServer   *string        `json:"auth_server,omitempty" minLength:"1" maxLength:"2000" doc:"A new address requires the client secret again."`
		HaloTenant   *string        `json:"halo_tenant,omitempty" maxLength:"200"`
		ClientID     *string        `json:"client_id,omitempty" minLength:"1" maxLength:"200"`
		ClientSecret *secret.String `json:"client_secret,omitempty" minLength:"1" maxLength:"2000" writeOnly:"true"`
		RateLimit    *string        `json:"rate_limit,omitempty" maxLength:"100" doc:"Empty for the default."`
		HeaderName   *string        `json:"header_name,omitempty" maxLength:"100" doc:"An empty string removes the header and its value."`
		HeaderValue  *secret.String `json:"header_value,omitempty" minLength:"1" maxLength:"4000" writeOnly:"true" doc:"Required with a new name or a new address."`
	}
}

type patched struct {
	ETag string `header:"ETag" doc:"For If-Match."`
	Body struct {
		Connection view.Connection `json:"connection"`
		Resync     *string         `json:"resync_run_id" doc:"The resync that the change requires, if any."`
	}
}

// removalView counts what is removed together with a connection. Companies and events stay.
type removalView struct {
	Mappings int `json:"mappings" doc:"Active mappings."`
	Unmapped int `json:"unmapped" doc:"Former mappings."`
	Clients  int `json:"clients" doc:"Stored clients of Halo."`
	Runs     int `json:"runs"`
	Active   int `json:"active_runs" doc:"Runs that have not ended."`
}

type removal struct{ Body removalView }

func viewRemoval(r repo.Removal) *removal {
	return &removal{removalView{Mappings: r.Mappings, Unmapped: r.Unmapped, Clients: r.Clients, Runs: r.Runs, Active: r.Active}}
}

func (h *Handler) connectionChanges() {
	about := operation{tag: "Connections", scope: access.Admin, errors: []int{http.StatusNotFound, http.StatusPreconditionFailed}}
	with := func(method, path, id, summary string) operation {
		o := about
		o.method, o.path, o.id, o.summary = method, "/connections/{connection}"+path, id, summary
		return o
	}
	patch := with(http.MethodPatch, "", "update-connection", "Change a connection in place; its mappings stay")
	patch.halo, patch.errors = true, append(patch.errors, http.StatusConflict)
	patch.about = "Fields that the body omits keep their values. The result is tested like a new connection, and nothing is stored if the test fails. A connection in state needs_reconnect becomes active. If the stored client secret does not open, the new one requires both addresses, because the stored ones may be wrong."
	add(h, patch, h.patchConnection)
	add(h, with(http.MethodPost, "/pause", "pause-connection", "Pause a connection: refuse new runs until it is resumed"), h.setState((*engine.Engine).PauseConnection))
	add(h, with(http.MethodPost, "/resume", "resume-connection", "Resume a paused connection"), h.setState((*engine.Engine).ResumeConnection))
	test := with(http.MethodPost, "/test", "test-connection", "Test the stored credentials: fetch a token, read one client")
	test.halo = true
	add(h, test, h.testConnection)
	preview := with(http.MethodGet, "/removal", "preview-removal", "Show what would be removed together with a connection")
	add(h, preview, func(ctx context.Context, p access.Principal, in *OneConnection) (*removal, error) {
		conn, err := h.engine.FindConnection(ctx, p.Tenant, in.Connection)
		if err != nil {
			return nil, err
		}
		what, err := h.store.PreviewRemoval(ctx, p.Tenant, conn.ID)
		return viewRemoval(what), err
	})
	remove := with(http.MethodDelete, "", "remove-connection", "Remove a connection with its mappings, stored clients and runs; companies stay")
	remove.about = "Requires confirm=true. Otherwise nothing is removed, and the error states what would be removed."
	add(h, remove, h.removeConnection)
}

func (h *Handler) patchConnection(ctx context.Context, p access.Principal, in *connectionPatch) (*patched, error) {
	conn, edit, _, err := h.edit(ctx, p, in.Connection, in.Condition)
	if err != nil {
		return nil, err
	}
	b := in.Body
	conn, receipt, err := edit.UpdateConnection(ctx, p.Tenant, p.Actor, conn.ID.String(), engine.ConnectionChange{
		Name: b.Name, Domain: b.Domain, AuthServer: b.AuthServer, HaloTenant: b.HaloTenant,
		ClientID: b.ClientID, RateLimit: b.RateLimit, Secret: b.ClientSecret,
		HeaderName: b.HeaderName, HeaderValue: b.HeaderValue,
	})
	if err != nil {
		return nil, err
	}
	out := &patched{ETag: etag(conn)}
	out.Body.Connection = view.NewConnection(conn)
	if receipt.RunID != "" {
		out.Body.Resync = &receipt.RunID
	}
	return out, nil
}

type stateChange = func(e *engine.Engine, ctx context.Context, tenant, actor, ref string) (repo.Connection, error)

func (h *Handler) setState(change stateChange) func(context.Context, access.Principal, *Changed) (*connectionOut, error) {
	return func(ctx context.Context, p access.Principal, in *Changed) (*connectionOut, error) {
		conn, edit, _, err := h.edit(ctx, p, in.Connection, in.Condition)
		if err != nil {
			return nil, err
		}
		if conn, err = change(edit, ctx, p.Tenant, p.Actor, conn.ID.String()); err != nil {
			return nil, err
		}
		return tagged(conn), nil
	}
}

func (h *Handler) testConnection(ctx context.Context, p access.Principal, in *OneConnection) (*connectionOut, error) {
	conn, err := h.engine.TestConnection(ctx, p.Tenant, in.Connection)
	if err != nil {
		return nil, err
	}
	return tagged(conn), nil
}

type removing struct {
	Changed
	Confirm bool `query:"confirm" doc:"Confirms the removal."`
}

func (h *Handler) removeConnection(ctx context.Context, p access.Principal, in *removing) (*removal, error) {
	conn, _, store, err := h.edit(ctx, p, in.Connection, in.Condition)
	if err != nil {
		return nil, err
	}
	what, err := h.store.PreviewRemoval(ctx, p.Tenant, conn.ID)
	if err != nil {
		return nil, err
	}
	if !in.Confirm {
		return nil, fault("query.confirm", fmt.Sprintf("would remove connection %q with %d mappings, %d runs and %d stored clients; confirm with confirm=true",
			conn.Name, what.Mappings, what.Runs, what.Clients))
	}
	return viewRemoval(what), store.RemoveConnection(ctx, p.Tenant, p.Actor, conn.ID)
}
