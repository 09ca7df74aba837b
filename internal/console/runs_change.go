package console

import (
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// runID is the id in the path as the engine takes it.
func (v *visit) runID() (string, error) {
	id, err := v.id()
	return repo.Hex(id), err
}

func (c *Console) cancelRun(v *visit) error {
	id, err := v.runID()
	if err != nil {
		return err
	}
	run, err := c.engine.Cancel(v.r.Context(), v.Tenant, id, v.Actor)
	if err != nil {
		return err
	}
	said := &flash{Text: "The run stops after the current page."}
	switch {
	case run.State == repo.StateCancelled:
		said.Text = "Run cancelled."
	case run.Ended():
		said = &flash{Kind: "warn", Text: "The run had already ended."}
	}
	return v.redirect("/runs/"+id, said)
}

func (c *Console) retryRun(v *visit) error {
	id, err := v.runID()
	if err != nil {
		return err
	}
	receipt, err := c.engine.Retry(v.r.Context(), v.Tenant, id, v.Actor)
	if err != nil {
		return err
	}
	return v.redirect("/runs/"+receipt.RunID, receiptFlash(receipt, "This run repeats the request."))
}

func (c *Console) approveRun(v *visit) error {
	id, err := v.runID()
	if err != nil {
		return err
	}
	receipt, err := c.engine.Approve(v.r.Context(), v.Tenant, id, v.Actor)
	if err != nil {
		return err
	}
	return v.redirect("/runs/"+receipt.RunID, receiptFlash(receipt, "Approved. The run starts again with what Halo PSA reports now."))
}

// undoRun takes back what a run made and nobody has touched since.
func (c *Console) undoRun(v *visit) error {
	id, err := v.runID()
	if err != nil {
		return err
	}
	undo, err := c.engine.UndoRun(v.r.Context(), v.Tenant, v.Actor, id)
	if err != nil {
		return err
	}
	return v.redirect("/runs/"+id, undoFlash(undo))
}

// undoFlash says what undoing came to.
func undoFlash(undo engine.Undo) *flash {
	said := &flash{Text: "Undone: " + plural(undo.Unmapped, "mapping", "mappings") + " and " + plural(undo.Removed, "company", "companies") + "."}
	if undo.Gone > 0 {
		said.Text += " " + count(undo.Gone) + " more had already been deleted."
	}
	if undo.LeftCount > 0 {
		said.Kind = "warn"
		said.Text += " Left unchanged: " + count(undo.LeftCount)
		if len(undo.Left) > 0 {
			said.Text += ", the first because " + undo.Left[0].Reason
		}
		said.Text += "."
	}
	return said
}
