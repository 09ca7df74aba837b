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

// connections shows all connections with their health.
func (c *Console) connections(v *visit) error {
	list, err := c.store.Connections(v.r.Context(), v.Tenant)
	if err != nil {
		return err
	}
	rows := make([]connectionRow, len(list))
	for i, conn := range list {
		rows[i] = c.row(conn)
	}
	return v.render("connections", "Connections", rows)
}

// connectionRow is a connection as the pages show it.
type connectionRow struct {
	repo.Connection
	Schedule string // in force, as far as is known
	Late     bool   // its resync is overdue
}

func (c *Console) row(conn repo.Connection) connectionRow {
	r := connectionRow{Connection: conn, Schedule: conn.ResyncCron}
	if r.Schedule == "" {
		r.Schedule = engine.PlannedSchedule(conn)
	}
	r.Late = conn.State == repo.Active && conn.NextResyncAt != nil && c.now().Sub(*conn.NextResyncAt) > schedule.LateAfter
	return r
}

// connectionForm is what a person types to add or change a connection. The
// secret is no part of it: it is never shown again.
type connectionForm struct {
	Name, Domain, AuthServer, HaloTenant, ClientID, RateLimit string
	// Wrong are the fields that the fault is about, by their names in the form.
	Wrong map[string]bool
}

func (v *visit) connectionForm() connectionForm {
	return connectionForm{
		Name: v.value("name"), Domain: v.value("domain"), AuthServer: v.value("auth_server"),
		HaloTenant: v.value("halo_tenant"), ClientID: v.value("client_id"), RateLimit: v.value("rate_limit"),
	}
}

// faults of a form, by the words in which the engine tells them.
var faultWords = []struct{ words, field string }{
	{"connection's name", "name"},
	{"connection named", "name"},
	{"client ID", "client_id"},
	{"client secret", "client_secret"},
	{"domain", "domain"},
	{"authorisation server", "auth_server"},
	{"rate limit", "rate_limit"},
	{"tenant name", "halo_tenant"},
}

// blame marks the fields that an error is about.
func (f *connectionForm) blame(err error) {
	f.Wrong = make(map[string]bool)
	for _, w := range faultWords {
		if strings.Contains(err.Error(), w.words) {
			f.Wrong[w.field] = true
		}
	}
}

func (c *Console) newConnection(v *visit) error {
	return v.render("connection_new", "Connect Halo PSA", connectionForm{})
}

// addConnection tests the credentials and stores them. If they do not do,
// what was typed is there again, but for the secret.
func (c *Console) addConnection(v *visit) error {
	form := v.connectionForm()
	conn, err := c.engine.AddConnection(v.r.Context(), v.Tenant, v.Actor, engine.ConnectionInput{
		Name: form.Name, Domain: form.Domain, AuthServer: form.AuthServer, HaloTenant: form.HaloTenant,
		ClientID: form.ClientID, RateLimit: form.RateLimit, Secret: secret.NewString(v.value("client_secret")),
	})
	if err != nil {
		form.blame(err)
		return v.renderFailed(err, "connection_new", "Connect Halo PSA", form)
	}
	return v.redirect("/connections/"+conn.ID.String(), &flash{
		Text: "Halo PSA accepted the credentials and showed its companies. The connection “" + conn.Name + "” is ready.",
		Link: "/import?connection=" + conn.ID.String(), Go: "Import companies",
	})
}

// connectionPage is what the page of one connection shows.
type connectionPage struct {
	Conn    connectionRow
	Form    connectionForm
	Seen    string // when the connection was last changed, for the editor
	Nights  nights
	Removal *repo.Removal
	Cron    string // what is in the field of the schedule
}

// connection shows one connection; with ?remove=1 also what would go with it.
func (c *Console) connection(v *visit) error {
	conn, err := v.connection()
	if err != nil {
		return err
	}
	p, err := c.connectionPage(v, conn)
	if err != nil {
		return err
	}
	if v.value("remove") != "" && v.may().Admin {
		removal, err := c.store.PreviewRemoval(v.r.Context(), v.Tenant, conn.ID)
		if err != nil {
			return err
		}
		p.Removal = &removal
	}
	return v.render("connection", conn.Name, p)
}

// connection reads the connection of the path.
func (v *visit) connection() (repo.Connection, error) {
	id, err := v.id()
	if err != nil {
		return repo.Connection{}, err
	}
	return v.c.store.Connection(v.r.Context(), v.Tenant, id)
}

func (c *Console) connectionPage(v *visit, conn repo.Connection) (connectionPage, error) {
	p := connectionPage{
		Conn: c.row(conn), Seen: conn.UpdatedAt.UTC().Format(time.RFC3339Nano), Cron: conn.ResyncCron,
		Form: connectionForm{
			Name: conn.Name, Domain: conn.Domain, AuthServer: conn.AuthServer,
			HaloTenant: conn.HaloTenant, ClientID: conn.ClientID, RateLimit: conn.RateLimit,
		},
	}
	now := c.now()
	runs, err := c.store.Runs(v.r.Context(), v.Tenant, repo.RunFilter{
		ConnectionID: &conn.ID, Kind: repo.KindResync, Since: firstNight(now), Limit: 1000,
	})
	if err != nil {
		return p, err
	}
	p.Nights = chart(runs, now)
	return p, nil
}

// showConnection answers an action that failed with the connection's page.
func (c *Console) showConnection(v *visit, conn repo.Connection, failed error, change func(*connectionPage)) error {
	p, err := c.connectionPage(v, conn)
	if err != nil {
		return err
	}
	if change != nil {
		change(&p)
	}
	return v.renderFailed(failed, "connection", conn.Name, p)
}

func connectionPath(id uuid.UUID) string { return "/connections/" + id.String() }
