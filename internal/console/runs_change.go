package console

import (
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// runAction returns a handler that calls the function do with the run id in the path. It
// then shows the resulting run with a message.
func runAction(do func(r *request, id string) (runID string, message *flash, err error)) func(*request) error {
	return func(r *request) error {
		id, err := r.id()
		if err != nil {
			return err
		}
		runID, message, err := do(r, repo.Hex(id))
		if err != nil {
			return err
		}
		return r.redirect("/runs/"+runID, message)
	}
}

func (c *Console) cancelRun(r *request, id string) (string, *flash, error) {
	run, err := c.engine.Cancel(r.Context(), r.Tenant, id, r.Actor)
	message := &flash{Text: "The run stops after the current page."}
	switch {
	case run.State == repo.StateCancelled:
		message.Text = "Run cancelled."
	case run.Ended():
		message = &flash{Kind: "warn", Text: "The run had already ended."}
	}
	return id, message, err
}

func (c *Console) retryRun(r *request, id string) (string, *flash, error) {
	receipt, err := c.engine.Retry(r.Context(), r.Tenant, id, r.Actor)
	return receipt.RunID, receiptFlash(receipt, "This run repeats the request."), err
}

func (c *Console) approveRun(r *request, id string) (string, *flash, error) {
	receipt, err := c.engine.Approve(r.Context(), r.Tenant, id, r.Actor)
	return receipt.RunID, receiptFlash(receipt, "Approved. The run starts again with what Halo PSA reports now."), err
}

func (c *Console) undoRun(r *request, id string) (string, *flash, error) {
	undo, err := c.engine.UndoRun(r.Context(), r.Tenant, r.Actor, id)
	return id, undoFlash(undo), err
}

// receiptFlash returns the message for a request that started a run. If the run could not
// be queued yet, or already existed, the message says so. Otherwise, the message is the
// parameter done. If done is empty, there is no message.
func receiptFlash(receipt engine.Receipt, done string) *flash {
	switch {
	case receipt.NotQueued != nil:
		return &flash{Kind: "warn", Text: "The queue is unavailable. The run is saved and starts as soon as the queue is back."}
	case receipt.Existing:
		return &flash{Text: "The same request is already in progress. This is its run."}
	case done == "":
		return nil
	}
	return &flash{Text: done}
}

// undoFlash returns the message for a run that was undone.
func undoFlash(undo engine.Undo) *flash {
	message := &flash{Text: "Undone: " + plural(undo.Unmapped, "mapping", "mappings") + " and " + plural(undo.Removed, "company", "companies") + "."}
	if undo.Gone > 0 {
		message.Text += " " + count(undo.Gone) + " more had already been deleted."
	}
	if undo.LeftCount > 0 {
		message.Kind = "warn"
		message.Text += " Left unchanged: " + count(undo.LeftCount)
		if len(undo.Left) > 0 {
			message.Text += ", the first because " + undo.Left[0].Reason
		}
		message.Text += "."
	}
	return message
}
