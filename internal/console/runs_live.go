package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// live is the part of a run's page that htmx reloads every second until the run ends.
type live struct {
	repo.Run
	DryRun bool
	Now    time.Time
	May    may
	Swap   bool // also include the parts around the progress, for htmx to swap
}

func (c *Console) live(r *request, run repo.Run) live {
	return live{Run: run, DryRun: engine.IsDryRun(run), Now: c.now(), May: r.may()}
}

// runLive answers htmx, which polls every second until the run ends. The last response
// stops the polling and replaces the parts of the page that are different once a run has
// ended.
func (c *Console) runLive(r *request) error {
	run, err := r.runAlone()
	if err != nil {
		return err
	}
	if !r.htmx() { // a person opened the URL
		return r.redirect("/runs/"+repo.Hex(run.ID), nil)
	}
	if !run.Ended() {
		return r.fragment(http.StatusOK, "run", "progress", c.live(r, run))
	}
	if run, err = c.store.Run(r.Context(), r.Tenant, run.ID); err != nil {
		return err
	}
	p, err := c.runPage(r, run)
	if err != nil {
		return err
	}
	p.Swap = true
	r.w.Header().Set("HX-Reswap", "outerHTML") // replaces the element that polls
	return r.fragment(http.StatusOK, "run", "ended", p)
}

// Title returns the title of the page.
func (l live) Title() string {
	title := map[repo.RunKind]string{
		repo.KindImport: "Import of companies", repo.KindMap: "Mapping of companies",
		repo.KindUnmap: "Unmapping of companies", repo.KindResync: "Resync",
		repo.KindSuggest: "Suggestions",
	}[l.Kind]
	if l.DryRun {
		return "Preview of an import"
	}
	return title
}

// ProgressText describes the progress in words.
func (l live) ProgressText() string {
	done := count(l.Records)
	if l.RecordsTotal > 0 {
		done += " of " + count(l.RecordsTotal)
	}
	what := map[repo.RunKind]string{repo.KindMap: "pairs", repo.KindUnmap: "mappings"}[l.Kind]
	if what == "" {
		what = "companies"
	}
	text := done + " " + what
	if left, ok := l.left(); ok {
		text += fmt.Sprintf(", about %s left", left)
	}
	return text
}

// left estimates the remaining time of a run in progress from its rate so far.
func (l live) left() (time.Duration, bool) {
	took := tookOf(l.Run, l.Now)
	if l.State != repo.StateRunning || l.Records == 0 || l.RecordsTotal <= l.Records || took < 2*time.Second {
		return 0, false
	}
	rest := time.Duration(float64(took) / float64(l.Records) * float64(l.RecordsTotal-l.Records))
	return max(rest.Round(time.Second), time.Second), true
}

// Share reports whether the progress bar has a value.
func (l live) Share() bool { return l.RecordsTotal > 0 }

// Done returns the value of the progress bar.
func (l live) Done() int { return min(l.Records, l.RecordsTotal) }

// StateText describes the state in a sentence.
func (l live) StateText() string {
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
		return "The run ended, but something could not be read or done. The reason is below."
	case repo.StateHeld:
		return "The run stopped before a change that a person must approve."
	case repo.StateCancelled:
		if l.Kind == repo.KindSuggest {
			return "The run was cancelled. The earlier suggestions are kept."
		}
		return "The run was cancelled. Changes that it had made are kept."
	}
	if l.Kind == repo.KindSuggest {
		return "The run failed. The earlier suggestions are kept."
	}
	return "The run failed. Changes that it had made are kept."
}

// figure is a named count.
type figure struct {
	Name  string
	Value int
}

// Figures returns the counts to show for a run of this kind.
func (l live) Figures() []figure {
	all := []figure{
		{"Processed", l.Records}, {"Created", l.Created}, {"Linked", l.Linked}, {"Refreshed", l.Refreshed},
		{"Unchanged", l.Unchanged}, {"Ambiguous", l.Ambiguous}, {"Skipped", l.Skipped}, {"Failed", l.Failed},
		{"Missing", l.Missing}, {"Unverified", l.Unverified}, {"Unmapped", l.Removed},
	}
	always := 4
	if l.Kind == repo.KindMap || l.Kind == repo.KindUnmap || l.Kind == repo.KindSuggest {
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

// CanCancel reports whether the run can be cancelled.
func (l live) CanCancel() bool { return l.May.Write && !l.Ended() && l.CancelRequestedAt == nil }

// CanRetry reports whether the request can be repeated.
func (l live) CanRetry() bool { return l.May.Write && l.Ended() && l.State != repo.StateHeld }

// CanApprove reports whether the run is waiting for approval.
func (l live) CanApprove() bool { return l.May.Write && l.State == repo.StateHeld }

// CanUndo reports whether the run created anything that can be undone.
func (l live) CanUndo() bool {
	made := l.Created+l.Linked > 0
	return l.May.Write && l.Ended() && !l.DryRun && made && (l.Kind == repo.KindImport || l.Kind == repo.KindMap)
}
