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

// testConnection asks Halo whether the stored credentials still do.
func (c *Console) testConnection(v *visit) error {
	conn, err := v.connection()
	if err != nil {
		return err
	}
	if _, err := c.engine.TestConnection(v.r.Context(), v.Tenant, conn.ID.String()); err != nil {
		return c.showConnection(v, conn, err, nil)
	}
	return v.redirect(connectionPath(conn.ID), &flash{Text: "Halo PSA accepts the credentials and shows its companies."})
}

// updateConnection changes what was typed. An editor who was overtaken is told.
func (c *Console) updateConnection(v *visit) error {
	conn, err := v.connection()
	if err != nil {
		return err
	}
	form := v.connectionForm()
	seen, err := time.Parse(time.RFC3339Nano, v.value("seen"))
	if err != nil {
		return &problem.InputError{Reason: "The form is incomplete. Open the page again."}
	}
	change := engine.ConnectionChange{
		Name: &form.Name, Domain: &form.Domain, AuthServer: &form.AuthServer,
		HaloTenant: &form.HaloTenant, ClientID: &form.ClientID, RateLimit: &form.RateLimit,
	}
	if typed := v.value("client_secret"); typed != "" {
		fresh := secret.NewString(typed)
		change.Secret = &fresh
	}
	_, receipt, err := c.engine.IfUnchanged(seen).UpdateConnection(v.r.Context(), v.Tenant, v.Actor, conn.ID.String(), change)
	if err != nil {
		form.blame(err)
		return c.showConnection(v, conn, err, func(p *connectionPage) { p.Form = form })
	}
	said := &flash{Text: "Saved. Halo PSA accepts the credentials."}
	if receipt.RunID != "" {
		said.Text += " A resync of the mappings was requested."
		said.Link, said.Go = "/runs/"+receipt.RunID, "Show the run"
	}
	return v.redirect(connectionPath(conn.ID), said)
}

// stateChange is what pauses or resumes a connection.
type stateChange func(ctx context.Context, tenant, actor, ref string) (repo.Connection, error)

func (c *Console) pauseConnection(v *visit) error {
	return c.changeState(v, c.engine.PauseConnection, "Connection paused. Imports and resyncs stop until you resume it.")
}

func (c *Console) resumeConnection(v *visit) error {
	return c.changeState(v, c.engine.ResumeConnection, "Connection resumed.")
}

func (c *Console) changeState(v *visit, change stateChange, said string) error {
	conn, err := v.connection()
	if err != nil {
		return err
	}
	if _, err := change(v.r.Context(), v.Tenant, v.Actor, conn.ID.String()); err != nil {
		return err
	}
	return v.redirect(connectionPath(conn.ID), &flash{Text: said})
}

// scheduleConnection sets when it is resynced; an empty field is the default.
func (c *Console) scheduleConnection(v *visit) error {
	conn, err := v.connection()
	if err != nil {
		return err
	}
	cron := v.value("cron")
	if _, err := c.engine.SetSchedule(v.r.Context(), v.Tenant, v.Actor, conn.ID.String(), cron); err != nil {
		return c.showConnection(v, conn, err, func(p *connectionPage) { p.Cron = cron })
	}
	return v.redirect(connectionPath(conn.ID), &flash{Text: "Schedule saved. The next resync is planned within seconds."})
}

// resyncConnection compares all mappings with Halo now.
func (c *Console) resyncConnection(v *visit) error {
	conn, err := v.connection()
	if err != nil {
		return err
	}
	receipt, err := c.engine.RequestResync(v.r.Context(), v.Tenant, conn.ID.String(), v.Actor)
	if err != nil {
		return c.showConnection(v, conn, err, nil)
	}
	return v.redirect("/runs/"+receipt.RunID, receiptFlash(receipt, "Resync requested."))
}

// removeConnection removes it if that was confirmed, else shows what would go.
func (c *Console) removeConnection(v *visit) error {
	conn, err := v.connection()
	if err != nil {
		return err
	}
	if v.value("confirm") != "yes" {
		return v.redirect(connectionPath(conn.ID)+"?remove=1#remove", nil)
	}
	if err := c.store.RemoveConnection(v.r.Context(), v.Tenant, v.Actor, conn.ID); err != nil {
		return err
	}
	return v.redirect("/connections", &flash{Text: fmt.Sprintf(
		"Connection “%s” removed with its %s. The companies stay.", conn.Name, plural(conn.Mappings, "mapping", "mappings"))})
}

// receiptFlash says what became of a request.
func receiptFlash(r engine.Receipt, said string) *flash {
	switch {
	case r.NotQueued != nil:
		return &flash{Kind: "warn", Text: "The queue is unavailable. The run is saved and starts as soon as the queue is back."}
	case r.Existing:
		return &flash{Text: "The same request is already in progress. This is its run."}
	}
	return &flash{Text: said}
}
