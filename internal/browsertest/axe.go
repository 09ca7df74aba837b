package browsertest

import (
	_ "embed" // axe-core
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe/axe.min.js
var axeSource string

// serious lists axe's impact levels that fail a test.
var serious = []string{"serious", "critical"}

// finding is a violation of one of axe's rules.
type finding struct {
	ID, Impact, Help string
	Tags             []string
	Nodes            []struct {
		Target         []json.RawMessage
		HTML           string
		FailureSummary string
	}
}

// advice reports whether the rule goes beyond WCAG.
func (f finding) advice() bool { return slices.Contains(f.Tags, "best-practice") }

func (f finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s", f.ID, f.Impact, f.Help)
	for _, n := range f.Nodes[:min(3, len(f.Nodes))] {
		fmt.Fprintf(&b, "\n  %s\n  %s", n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", "\n  "))
	}
	return b.String()
}

// sticksOut lists the elements that make the document wider than the window. It
// first scrolls to the top, where no fixed element hides another.
const sticksOut = `(() => {
	scrollTo(0, 0)
	if (document.documentElement.scrollWidth <= innerWidth) return []
	const by = e => Math.round(e.getBoundingClientRect().left + Math.max(e.offsetWidth || 0, e.scrollWidth) - innerWidth)
	const out = [...document.body.querySelectorAll('*')].filter(e => by(e) > 0 && getComputedStyle(e).overflowX === 'visible')
	return out.slice(-5).map(e => e.localName + (e.id && '#' + e.id) + [...e.classList].map(c => '.' + c).join('') + ' by ' + by(e)).concat('')
})()`

// Accessible fails the test if axe-core finds a serious violation or if the
// page is wider than the window. It checks a dark narrow window and a light
// wide one. Lesser findings and advice beyond WCAG go to the test's log.
// Afterwards the window is light and wide.
func (p *Page) Accessible() {
	p.t.Helper()
	for _, look := range []struct {
		scheme Scheme
		width  int64
	}{{Dark, Narrow}, {Light, Wide}} {
		p.Look(look.scheme, look.width)
		if over := Evaluate[[]string](p, sticksOut); len(over) > 0 {
			p.t.Errorf("%s: too wide for a window of %d: %s", p.Address(), look.width, strings.Join(over, ", "))
		}
		for _, f := range p.axe() {
			if slices.Contains(serious, f.Impact) && !f.advice() {
				p.t.Errorf("%s, %s, %d pixels: %s", p.Address(), look.scheme, look.width, f)
			} else {
				p.t.Logf("%s, %s, %d pixels: %s", p.Address(), look.scheme, look.width, f)
			}
		}
	}
}

// Checked runs the checks that apply to every page: each page must be accessible and cause
// no faults.
func (p *Page) Checked() {
	p.t.Helper()
	p.Clean()
	p.Accessible()
	p.Clean()
}

// axe runs the rules of WCAG 2, levels A and AA, and the best practices.
func (p *Page) axe() []finding {
	p.t.Helper()
	var found []finding
	p.Eventually("axe-core's answer", func() error {
		there, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("typeof axe === 'object'"))
		if err != nil {
			return err
		}
		if !there {
			if err := chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](axeSource+";0")); err != nil {
				return err
			}
		}
		text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`axe.run(document, {
			runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
			resultTypes: ['violations'], preload: false,
		}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise, asValue))
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &found)
	})
	return found
}

func asValue(p *runtime.EvaluateParams) { p.ReturnByValue = new(true) }
