package console

import (
	"net/http"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// previewItems is how many of the companies that need a person are shown.
const previewItems = 100

// previewView is the second step: a dry run, and what it has found.
type previewView struct {
	importForm
	Connection repo.Connection
	Run        repo.Run
	Existing   bool // the same preview was under way already
	Waiting    bool // the queue does not answer just now
	OOB        bool
	names      map[int64]string // of companies that Halo has shown before
}

// Status is what a screen reader is told, once there is something to tell.
func (w *previewView) Status() string {
	switch {
	case !w.Run.Ended():
		return "The preview is running."
	case w.Usable():
		return "The preview is ready."
	}
	return "There is no preview: the run failed or was cancelled."
}

// Usable says whether the preview has shown what an import would do.
func (w *previewView) Usable() bool {
	return w.Run.State == repo.StateSucceeded || w.Run.State == repo.StatePartial
}

// Items are the companies that need a person.
func (w *previewView) Items() []repo.RunItem {
	return w.Run.Items[:min(len(w.Run.Items), previewItems)]
}

// More is how many of them are not shown.
func (w *previewView) More() int { return len(w.Run.Items) - len(w.Items()) }

// NameOf is the name of a company, as far as it is known.
func (w *previewView) NameOf(id int64) string {
	if i := w.Picked.at(id); i >= 0 {
		return w.Picked[i].Name
	}
	return w.names[id]
}

// Known is what is mapped already.
func (w *previewView) Known() int { return w.Run.Refreshed + w.Run.Unchanged }

// importPreview shows what the import would do: a dry run, asked for here and
// shown until it has ended.
func (c *Console) importPreview(v *visit) error {
	w, err := c.importOf(v)
	if err != nil {
		return err
	}
	if w.check(w.Wrong); len(w.Wrong) > 0 {
		return c.showImport(v, w)
	}
	p := &previewView{importForm: w.importForm, Connection: w.conn, OOB: v.htmx()}
	run := v.r.PostForm.Get("run")
	if run == "" || v.r.PostForm.Get("do") == "again" {
		req := w.request(v.Actor)
		req.DryRun = true
		receipt, err := c.engine.RequestImport(v.r.Context(), v.Tenant, req)
		if err != nil {
			return c.importRefused(v, w, err)
		}
		run, p.Existing, p.Waiting = receipt.RunID, receipt.Existing, receipt.NotQueued != nil
	}
	if p.Run, err = c.dryRun(v, run); err != nil {
		return err
	}
	if err := c.namePreview(v, p); err != nil {
		return err
	}
	if v.htmx() {
		return v.fragment(http.StatusOK, "import_preview", "wizard", p)
	}
	return v.show(http.StatusOK, "import_preview", page{Title: importTitle, Nav: "/import", Data: p})
}

// namePreview looks up the names of what needs a person.
func (c *Console) namePreview(v *visit, p *previewView) (err error) {
	var ids []int64
	for _, item := range p.Items() {
		ids = append(ids, item.ClientID)
	}
	if len(ids) > 0 {
		p.names, err = c.store.ClientNames(v.r.Context(), v.Tenant, p.Connection.ID, ids)
	}
	return err
}

// importRefused shows the first step again, with the reason.
func (c *Console) importRefused(v *visit, w *importView, err error) error {
	f := v.explain(err)
	w.Alert = &f
	return c.showImport(v, w)
}

// dryRun reads a preview. Any other run is none.
func (c *Console) dryRun(v *visit, runID string) (repo.Run, error) {
	run, err := c.engine.Run(v.r.Context(), v.Tenant, runID)
	if err == nil && !engine.IsDryRun(run) {
		return run, problem.ErrNoPage
	}
	return run, err
}

// importLive is the part of the preview that changes, for htmx.
func (c *Console) importLive(v *visit) error {
	id, err := v.id()
	if err != nil {
		return err
	}
	run, err := c.store.RunAlone(v.r.Context(), v.Tenant, id)
	if err != nil {
		return err
	}
	if !engine.IsDryRun(run) {
		return problem.ErrNoPage
	}
	return v.fragment(http.StatusOK, "import_preview", "progress", &previewView{Run: run})
}

// cancelPreview stops a preview that nobody looks at any more: a long one
// would keep the connection busy.
func (c *Console) cancelPreview(v *visit) error {
	runID := v.r.PostForm.Get("run")
	if runID == "" {
		return nil
	}
	run, err := c.dryRun(v, runID)
	if err != nil || run.Ended() {
		return err
	}
	_, err = c.engine.Cancel(v.r.Context(), v.Tenant, runID, v.Actor)
	return err
}

// importFinish starts the import.
func (c *Console) importFinish(v *visit) error {
	w, err := c.importOf(v)
	if err != nil {
		return err
	}
	if w.check(w.Wrong); len(w.Wrong) > 0 {
		return c.showImport(v, w)
	}
	receipt, err := c.engine.RequestImport(v.r.Context(), v.Tenant, w.request(v.Actor))
	if err != nil {
		return c.importRefused(v, w, err)
	}
	return v.redirect("/runs/"+receipt.RunID, requested(receipt, "import"))
}

// requested is what is said of a request on the page of its run, if anything.
func requested(receipt engine.Receipt, what string) *flash {
	switch {
	case receipt.NotQueued != nil:
		return &flash{Kind: "warn", Text: "The queue is unavailable. The " + what + " is saved and starts as soon as the queue is back."}
	case receipt.Existing:
		return &flash{Kind: "warn", Text: "The same " + what + " is already in progress. This is its run."}
	}
	return nil
}
