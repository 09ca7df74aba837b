package console

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// connections lists all connections with their health.
func (c *Console) connections(r *request) error {
	list, err := c.store.Connections(r.Context(), r.Tenant)
	if err != nil {
		return err
	}
	rows := make([]connectionRow, len(list))
	for i, conn := range list {
		rows[i] = c.row(conn)
	}
	return r.render("connections", "Connections", rows)
}

// connectionRow is a connection as the pages show it.
type connectionRow struct {
	repo.Connection
	Schedule string // the connection's own or the default; may be unknown
	Late     bool   // the resync is overdue
}

func (c *Console) row(conn repo.Connection) connectionRow {
	r := connectionRow{Connection: conn, Schedule: conn.ResyncCron}
	if r.Schedule == "" {
		r.Schedule = engine.PlannedSchedule(conn)
	}
	r.Late = conn.State == repo.Active && conn.NextResyncAt != nil && c.now().Sub(*conn.NextResyncAt) > schedule.LateAfter
	return r
}

// connectionForm has the fields of a connection except the secret and the value of the
// header, which are never shown again.
type connectionForm struct {
	Name, Domain, AuthServer, HaloTenant, ClientID, RateLimit, HeaderName string
	// Wrong contains the names of the invalid fields.
	Wrong map[string]bool
}

func (r *request) connectionForm() connectionForm {
	return connectionForm{
		Name: r.value("name"), Domain: r.value("domain"), AuthServer: r.value("auth_server"),
		HaloTenant: r.value("halo_tenant"), ClientID: r.value("client_id"), RateLimit: r.value("rate_limit"),
		HeaderName: r.value("header_name"),
	}
}

// faultWords maps words in the engine's errors to fields of the form.
var faultWords = []struct{ words, field string }{
	{"connection's name", "name"},
	{"connection named", "name"},
	{"client ID", "client_id"},
	{"client secret", "client_secret"},
	{"domain", "domain"},
	{"authorisation server", "auth_server"},
	{"rate limit", "rate_limit"},
	{"tenant name", "halo_tenant"},
	{"header's name", "header_name"},
	{"header's value", "header_value"},
}

// blame marks the fields that an error mentions.
func (f *connectionForm) blame(err error) {
	f.Wrong = make(map[string]bool)
	for _, w := range faultWords {
		if strings.Contains(err.Error(), w.words) {
			f.Wrong[w.field] = true
		}
	}
}

func (c *Console) newConnection(r *request) error {
	return r.render("connection_new", "Connect Halo PSA", connectionForm{})
}

// addConnection tests and stores the credentials. After a failure, the form keeps all
// values except the secrets.
func (c *Console) addConnection(r *request) error {
	form := r.connectionForm()
	conn, err := c.engine.AddConnection(r.Context(), r.Tenant, r.Actor, engine.ConnectionInput{
		Name: form.Name, Domain: form.Domain, AuthServer: form.AuthServer, HaloTenant: form.HaloTenant,
		ClientID: form.ClientID, RateLimit: form.RateLimit, Secret: secret.NewString(r.value("client_secret")),
		HeaderName: form.HeaderName, HeaderValue: secret.NewString(r.value("header_value")),
	})
	if err != nil {
		form.blame(err)
		return r.renderFailed(err, "connection_new", "Connect Halo PSA", form)
	}
	return r.redirect("/connections/"+conn.ID.String(), &flash{
		Text: "Halo PSA accepted the credentials and returned its companies. The connection “" + conn.Name + "” is ready.",
		Link: "/import?connection=" + conn.ID.String(), Go: "Import companies",
	})
}

// connectionPage is the data of a connection's page.
type connectionPage struct {
	Conn    connectionRow
	Form    connectionForm
	Seen    string // the version of the connection that the form shows
	Chart   resyncChart
	Removal *repo.Removal
	Cron    string // value of the schedule field
}

// connection shows a connection. With ?remove=1 it also shows what would be removed with
// the connection.
func (c *Console) connection(r *request, conn repo.Connection) error {
	p, err := c.connectionPage(r, conn)
	if err != nil {
		return err
	}
	if r.value("remove") != "" && r.may().Admin {
		removal, err := c.store.PreviewRemoval(r.Context(), r.Tenant, conn.ID)
		if err != nil {
			return err
		}
		p.Removal = &removal
	}
	return r.render("connection", conn.Name, p)
}

// connection returns the connection that the path names.
func (r *request) connection() (repo.Connection, error) {
	id, err := r.id()
	if err != nil {
		return repo.Connection{}, err
	}
	return r.c.store.Connection(r.Context(), r.Tenant, id)
}

func (c *Console) connectionPage(r *request, conn repo.Connection) (connectionPage, error) {
	p := connectionPage{
		Conn: c.row(conn), Seen: conn.UpdatedAt.UTC().Format(time.RFC3339Nano), Cron: conn.ResyncCron,
		Form: connectionForm{
			Name: conn.Name, Domain: conn.Domain, AuthServer: conn.AuthServer,
			HaloTenant: conn.HaloTenant, ClientID: conn.ClientID, RateLimit: conn.RateLimit,
			HeaderName: conn.HeaderName,
		},
	}
	now := c.now()
	runs, err := c.store.Runs(r.Context(), r.Tenant, repo.RunFilter{
		ConnectionID: &conn.ID, Kind: repo.KindResync, Since: chartStart(now), Limit: 1000,
	})
	if err != nil {
		return p, err
	}
	p.Chart = chart(runs, now)
	return p, nil
}

// showConnection answers a failed action with the connection's page and the error.
func (c *Console) showConnection(r *request, conn repo.Connection, failed error, change func(*connectionPage)) error {
	p, err := c.connectionPage(r, conn)
	if err != nil {
		return err
	}
	if change != nil {
		change(&p)
	}
	return r.renderFailed(failed, "connection", conn.Name, p)
}

func connectionPath(id uuid.UUID) string { return "/connections/" + id.String() }
