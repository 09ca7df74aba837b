package console

import (
	"net/http"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// previewItems is the maximum number of companies that the page lists as needing a
// person's attention.
const previewItems = 100

// previewView is the second step of the wizard: a dry run and its results.
type previewView struct {
	importForm
	Connection repo.Connection
	Run        repo.Run
	Existing   bool // the same preview was in progress
	Waiting    bool // the queue is unavailable
	OOB        bool
	names      map[int64]string // names of Halo's companies by id, as far as known
}

// Status returns the text that screen readers announce.
func (w *previewView) Status() string {
	switch {
	case !w.Run.Ended():
		return "The preview is running."
	case w.Usable():
		return "The preview is ready."
	}
	return "There is no preview: the run failed or was cancelled."
}

// Usable reports whether the preview has results.
func (w *previewView) Usable() bool {
	return w.Run.State == repo.StateSucceeded || w.Run.State == repo.StatePartial
}

// Items returns the first [previewItems] companies that need a person's attention.
func (w *previewView) Items() []repo.RunItem {
	return w.Run.Items[:min(len(w.Run.Items), previewItems)]
}

// More returns how many more companies need a person's attention.
func (w *previewView) More() int { return len(w.Run.Items) - len(w.Items()) }

// NameOf returns the name of a company in Halo, or "" if it is unknown.
func (w *previewView) NameOf(id int64) string {
	if i := w.Picked.at(id); i >= 0 {
		return w.Picked[i].Name
	}
	return w.names[id]
}

// Known returns the number of companies that are mapped already.
func (w *previewView) Known() int { return w.Run.Refreshed + w.Run.Unchanged }

// importPreview starts a dry run and shows its progress and results.
func (c *Console) importPreview(r *request) error {
	w, err := c.importOf(r)
	if err != nil {
		return err
	}
	if w.check(w.Wrong); len(w.Wrong) > 0 {
		return c.showImport(r, w)
	}
	p := &previewView{importForm: w.importForm, Connection: w.conn, OOB: r.htmx()}
	run := r.PostForm.Get("run")
	if run == "" || r.PostForm.Get("do") == "again" {
		req := w.request(r.Actor)
		req.DryRun = true
		receipt, err := c.engine.RequestImport(r.Context(), r.Tenant, req)
		if err != nil {
			return c.importRefused(r, w, err)
		}
		run, p.Existing, p.Waiting = receipt.RunID, receipt.Existing, receipt.NotQueued != nil
	}
	if p.Run, err = c.dryRun(r, run); err != nil {
		return err
	}
	if err := c.namePreview(r, p); err != nil {
		return err
	}
	if r.htmx() {
		return r.fragment(http.StatusOK, "import_preview", "wizard", p)
	}
	return r.show(http.StatusOK, "import_preview", page{Title: importTitle, Nav: "/import", Data: p})
}

// namePreview looks up the names of the companies that need a person's attention.
func (c *Console) namePreview(r *request, p *previewView) (err error) {
	var ids []int64
	for _, item := range p.Items() {
		ids = append(ids, item.ClientID)
	}
	if len(ids) > 0 {
		p.names, err = c.store.ClientNames(r.Context(), r.Tenant, p.Connection.ID, ids)
	}
	return err
}

// importRefused shows the first step again, with the error.
func (c *Console) importRefused(r *request, w *importView, err error) error {
	w.Alert = r.explain(err)
	return c.showImport(r, w)
}

// dryRun returns the dry run of a preview. It returns [problem.ErrNoPage] for any other
// run.
func (c *Console) dryRun(r *request, runID string) (repo.Run, error) {
	run, err := c.engine.Run(r.Context(), r.Tenant, runID)
	if err == nil && !engine.IsDryRun(run) {
		return run, problem.ErrNoPage
	}
	return run, err
}

// importLive answers htmx with the progress of the preview.
func (c *Console) importLive(r *request) error {
	run, err := r.runAlone()
	if err != nil {
		return err
	}
	if !engine.IsDryRun(run) {
		return problem.ErrNoPage
	}
	return r.fragment(http.StatusOK, "import_preview", "progress", &previewView{Run: run})
}

// cancelPreview cancels an abandoned preview, which would otherwise keep the connection
// busy.
func (c *Console) cancelPreview(r *request) error {
	runID := r.PostForm.Get("run")
	if runID == "" {
		return nil
	}
	run, err := c.dryRun(r, runID)
	if err != nil || run.Ended() {
		return err
	}
	_, err = c.engine.Cancel(r.Context(), r.Tenant, runID, r.Actor)
	return err
}

// importFinish starts the import.
func (c *Console) importFinish(r *request) error {
	w, err := c.importOf(r)
	if err != nil {
		return err
	}
	if w.check(w.Wrong); len(w.Wrong) > 0 {
		return c.showImport(r, w)
	}
	receipt, err := c.engine.RequestImport(r.Context(), r.Tenant, w.request(r.Actor))
	if err != nil {
		return c.importRefused(r, w, err)
	}
	return r.redirect("/runs/"+receipt.RunID, receiptFlash(receipt, ""))
}
