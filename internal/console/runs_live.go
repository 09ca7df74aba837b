package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// live is a run as its page shows it, and each second again while it lasts.
type live struct {
	repo.Run
	DryRun bool
	Now    time.Time
	May    may
	Swap   bool // the parts around the progress go along, for htmx to put in their places
}

func (c *Console) live(v *visit, run repo.Run) live {
	return live{Run: run, DryRun: engine.IsDryRun(run), Now: c.now(), May: v.may()}
}

// runLive answers htmx, which asks each second while a run lasts. With the
// last answer comes what stops it asking, and what the end has changed.
func (c *Console) runLive(v *visit) error {
	id, err := v.id()
	if err != nil {
		return err
	}
	run, err := c.store.RunAlone(v.r.Context(), v.Tenant, id)
	if err != nil {
		return err
	}
	if !v.htmx() { // a link that somebody kept
		return v.redirect("/runs/"+repo.Hex(id), nil)
	}
	if !run.Ended() {
		return v.fragment(http.StatusOK, "run", "progress", c.live(v, run))
	}
	if run, err = c.store.Run(v.r.Context(), v.Tenant, id); err != nil {
		return err
	}
	p, err := c.runPage(v, run)
	if err != nil {
		return err
	}
	p.Swap = true
	v.w.Header().Set("HX-Reswap", "outerHTML") // without what asks again
	return v.fragment(http.StatusOK, "run", "ended", p)
}

// Title names a run's page.
func (l live) Title() string {
	title := map[string]string{
		repo.KindImport: "Import of companies", repo.KindMap: "Mapping of companies",
		repo.KindUnmap: "Unmapping of companies", repo.KindResync: "Resync",
	}[l.Kind]
	if l.DryRun {
		return "Preview of an import"
	}
	return title
}

// Does says in words how far the run is.
func (l live) Does() string {
	done := count(l.Records)
	if l.RecordsTotal > 0 {
		done += " of " + count(l.RecordsTotal)
	}
	what := map[string]string{repo.KindMap: "pairs", repo.KindUnmap: "mappings"}[l.Kind]
	if what == "" {
		what = "companies"
	}
	text := done + " " + what
	if left, ok := l.left(); ok {
		text += fmt.Sprintf(", about %s left", left)
	}
	return text
}

// left estimates how long a running run goes on, from its rate so far.
func (l live) left() (time.Duration, bool) {
	took := tookOf(l.Run, l.Now)
	if l.State != repo.StateRunning || l.Records == 0 || l.RecordsTotal <= l.Records || took < 2*time.Second {
		return 0, false
	}
	rest := time.Duration(float64(took) / float64(l.Records) * float64(l.RecordsTotal-l.Records))
	return max(rest.Round(time.Second), time.Second), true
}

// Share is how much of the run is done, for the bar; false if nobody knows.
func (l live) Share() bool { return l.RecordsTotal > 0 }

// Done is the value of the bar, within its bounds.
func (l live) Done() int { return min(l.Records, l.RecordsTotal) }

// Says tells the state in a sentence.
func (l live) Says() string {
	switch l.State {
	case repo.StateQueued:
		if l.CancelRequestedAt != nil {
			return "The run is being cancelled."
		}
		if l.WaitReason != "" {
			return "The run is waiting: " + l.WaitReason + "."
		}
		return "The run is waiting for a worker."
	case repo.StateRunning:
		if l.CancelRequestedAt != nil {
			return "The run stops after the current page."
		}
		return "The run is in progress."
	case repo.StateSucceeded:
		if l.DryRun {
			return "This is what the import would do. Nothing was written."
		}
		return "The run is done."
	case repo.StatePartial:
		return "The run ended without seeing or doing everything."
	case repo.StateHeld:
		return "The run stopped before a change that a person must approve."
	case repo.StateCancelled:
		return "The run was cancelled. What it did before stays."
	}
	return "The run failed. What it did before stays."
}

// figure is a count with its name.
type figure struct {
	Name  string
	Value int
}

// Figures are the counts that say something about a run of this kind.
func (l live) Figures() []figure {
	all := []figure{
		{"Processed", l.Records}, {"Created", l.Created}, {"Linked", l.Linked}, {"Refreshed", l.Refreshed},
		{"Unchanged", l.Unchanged}, {"Ambiguous", l.Ambiguous}, {"Skipped", l.Skipped}, {"Failed", l.Failed},
		{"Missing", l.Missing}, {"Unverified", l.Unverified}, {"Unmapped", l.Removed},
	}
	always := 4
	if l.Kind == repo.KindMap || l.Kind == repo.KindUnmap {
		always = 1
	}
	shown := all[:always:always]
	for _, f := range all[always:] {
		if f.Value > 0 {
			shown = append(shown, f)
		}
	}
	return shown
}

// CanCancel and the like say which actions make sense.
func (l live) CanCancel() bool { return l.May.Write && !l.Ended() && l.CancelRequestedAt == nil }

// CanRetry says whether the same can be asked for again.
func (l live) CanRetry() bool { return l.May.Write && l.Ended() && l.State != repo.StateHeld }

// CanApprove says whether the run waits for a person's word.
func (l live) CanApprove() bool { return l.May.Write && l.State == repo.StateHeld }

// CanUndo says whether the run has made something that can be taken back.
func (l live) CanUndo() bool {
	made := l.Created+l.Linked > 0
	return l.May.Write && l.Ended() && !l.DryRun && made && (l.Kind == repo.KindImport || l.Kind == repo.KindMap)
}
