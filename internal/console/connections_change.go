package console

import (
	"context"
	"fmt"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// onConnection returns a handler that calls the function do with the connection that the
// path names.
func onConnection(do func(*request, repo.Connection) error) func(*request) error {
	return func(r *request) error {
		conn, err := r.connection()
		if err != nil {
			return err
		}
		return do(r, conn)
	}
}

// testConnection tests the stored credentials.
func (c *Console) testConnection(r *request, conn repo.Connection) error {
	if _, err := c.engine.TestConnection(r.Context(), r.Tenant, conn.ID.String()); err != nil {
		return c.showConnection(r, conn, err, nil)
	}
	return r.redirect(connectionPath(conn.ID), &flash{Text: "Halo PSA accepts the credentials and returns its companies."})
}

// updateConnection saves the form unless someone else has changed the connection in the
// meantime.
func (c *Console) updateConnection(r *request, conn repo.Connection) error {
	form := r.connectionForm()
	seen, err := time.Parse(time.RFC3339Nano, r.value("seen"))
	if err != nil {
		return &problem.InputError{Reason: "The form is incomplete. Open the page again."}
	}
	change := engine.ConnectionChange{
		Name: &form.Name, Domain: &form.Domain, AuthServer: &form.AuthServer,
		HaloTenant: &form.HaloTenant, ClientID: &form.ClientID, RateLimit: &form.RateLimit,
		HeaderName: &form.HeaderName,
	}
	if typed := r.value("client_secret"); typed != "" {
		fresh := secret.NewString(typed)
		change.Secret = &fresh
	}
	if typed := r.value("header_value"); typed != "" {
		fresh := secret.NewString(typed)
		change.HeaderValue = &fresh
	}
	_, receipt, err := c.engine.IfUnchanged(seen).UpdateConnection(r.Context(), r.Tenant, r.Actor, conn.ID.String(), change)
	if err != nil {
		form.blame(err)
		return c.showConnection(r, conn, err, func(p *connectionPage) { p.Form = form })
	}
	message := &flash{Text: "Saved. Halo PSA accepts the credentials."}
	if receipt.RunID != "" {
		message.Text += " A resync of the mappings was requested."
		message.Link, message.Go = "/runs/"+receipt.RunID, "Show the run"
	}
	return r.redirect(connectionPath(conn.ID), message)
}

// stateChange pauses or resumes a connection.
type stateChange func(ctx context.Context, tenant, actor, ref string) (repo.Connection, error)

func (c *Console) pauseConnection(r *request, conn repo.Connection) error {
	return c.changeState(r, conn, c.engine.PauseConnection, "Connection paused. Imports and resyncs stop until you resume it.")
}

func (c *Console) resumeConnection(r *request, conn repo.Connection) error {
	return c.changeState(r, conn, c.engine.ResumeConnection, "Connection resumed.")
}

func (c *Console) changeState(r *request, conn repo.Connection, change stateChange, message string) error {
	if _, err := change(r.Context(), r.Tenant, r.Actor, conn.ID.String()); err != nil {
		return err
	}
	return r.redirect(connectionPath(conn.ID), &flash{Text: message})
}

// scheduleConnection sets the schedule; an empty field resets it to the default.
func (c *Console) scheduleConnection(r *request, conn repo.Connection) error {
	cron := r.value("cron")
	if _, err := c.engine.SetSchedule(r.Context(), r.Tenant, r.Actor, conn.ID.String(), cron); err != nil {
		return c.showConnection(r, conn, err, func(p *connectionPage) { p.Cron = cron })
	}
	return r.redirect(connectionPath(conn.ID), &flash{Text: "Schedule saved. The next resync is planned within seconds."})
}

// resyncConnection requests a resync.
func (c *Console) resyncConnection(r *request, conn repo.Connection) error {
	receipt, err := c.engine.RequestResync(r.Context(), r.Tenant, conn.ID.String(), r.Actor)
	if err != nil {
		return c.showConnection(r, conn, err, nil)
	}
	return r.redirect("/runs/"+receipt.RunID, receiptFlash(receipt, "Resync requested."))
}

// removeConnection removes the connection if the user has confirmed it. Otherwise it shows
// what would be removed.
func (c *Console) removeConnection(r *request, conn repo.Connection) error {
	if r.value("confirm") != "yes" {
		return r.redirect(connectionPath(conn.ID)+"?remove=1#remove", nil)
	}
	if err := c.store.RemoveConnection(r.Context(), r.Tenant, r.Actor, conn.ID); err != nil {
		return err
	}
	return r.redirect("/connections", &flash{Text: fmt.Sprintf(
		"Connection “%s” removed with its %s. The companies stay.", conn.Name, plural(conn.Mappings, "mapping", "mappings"))})
}
