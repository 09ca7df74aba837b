package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo"
)

// progress shows the progress of a run on standard error: as a bar on a terminal,
// otherwise as a line every few seconds.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil to print lines
	start time.Time
	last  time.Time
	state repo.RunState
}

const lineEvery = 5 * time.Second

func newProgress(out io.Writer, terminal bool) *progress {
	p := &progress{out: out, start: time.Now()}
	if terminal {
		p.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(out), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("clients"), progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetDescription("queued"), progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// show shows the current state of the run.
func (p *progress) show(run repo.Run) {
	if p.bar != nil {
		p.showBar(run)
		return
	}
	now := time.Now()
	if run.State == p.state && now.Sub(p.last) < lineEvery || run.Ended() {
		return
	}
	p.state, p.last = run.State, now
	fmt.Fprintln(p.out, line(run, now))
}

// line describes the progress of a run in words.
func line(run repo.Run, now time.Time) string {
	text := string(run.State)
	if run.WaitReason != "" && run.State == repo.StateQueued {
		text += " (" + plaintext.Printable(run.WaitReason) + ")"
	}
	if run.Records == 0 || run.StartedAt == nil {
		return text
	}
	rate := float64(run.Records) / max(0.001, now.Sub(*run.StartedAt).Seconds())
	text += fmt.Sprintf(": %s, %s of %s, %.0f a second", plaintext.Plural(run.Pages, "page", "pages"), plaintext.Count(run.Records), records(run), rate)
	if left := run.RecordsTotal - run.Records; left > 0 {
		text += fmt.Sprintf(", %v left", (time.Duration(float64(left)/rate*1000) * time.Millisecond).Round(time.Second))
	}
	return text
}

// records returns the number of records that a run processes, with the word for them.
func records(run repo.Run) string {
	switch run.Kind {
	case repo.KindMap:
		return plaintext.Plural(run.RecordsTotal, "pair", "pairs")
	case repo.KindUnmap:
		return plaintext.Plural(run.RecordsTotal, "mapping", "mappings")
	}
	return plaintext.Plural(run.RecordsTotal, "client", "clients")
}

func (p *progress) showBar(run repo.Run) {
	if run.RecordsTotal > 0 {
		p.bar.ChangeMax(max(run.RecordsTotal, run.Records))
	}
	p.bar.Describe(fmt.Sprintf("%s, %s", run.State, plaintext.Plural(run.Pages, "page", "pages")))
	_ = p.bar.Set(run.Records) // fails only if the value exceeds the maximum
}

// end removes the bar before the result is printed.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // cosmetic
		_ = p.bar.Clear()
	}
}
