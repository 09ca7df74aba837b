package browsertest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to show what is waited for, on a machine
// that does much else.
const patience = 45 * time.Second

// Sizes of a window: a desktop's, and the narrowest that pages are made for.
const (
	Wide   = 1280
	Narrow = 380
)

// Page is a tab with cookies of its own. It belongs to the goroutine of its
// test, which it fails when it cannot do what it is told to.
type Page struct {
	t      testing.TB
	ctx    context.Context //nolint:containedctx // chromedp's handle of the tab
	faults *faults
}

// Open opens a tab for a test, which ends with it. What went wrong in it and was
// not expected fails the test.
func (b *Browser) Open(t testing.TB) *Page {
	t.Helper()
	p := &Page{t: t, faults: newFaults()}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.faults.hear))
	p.ctx = ctx
	t.Cleanup(func() {
		p.Clean()
		cancel()
	})
	for _, err := range []error{
		chromedp.Do(ctx),
		void(chromedp.Call(ctx, log.Enable, cdp.Empty{})),
		void(chromedp.Call(ctx, network.Enable, network.EnableParams{})),
		// Each tab believes that it has the focus, however many there are.
		void(chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})),
		void(chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: reportViolations})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Look(Light, Wide)
	return p
}

// void drops a result.
func void[T any](_ T, err error) error { return err }

// WithoutScripts switches JavaScript off for the documents to come.
func (p *Page) WithoutScripts() {
	p.t.Helper()
	p.check(void(chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})))
}

// Scheme is the colours that a person prefers.
type Scheme string

// Both of them.
const (
	Light Scheme = "light"
	Dark  Scheme = "dark"
)

// Look sets the colours and the width of the window.
func (p *Page) Look(scheme Scheme, width int64) {
	p.t.Helper()
	p.check(void(chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: string(scheme)}, {Name: "prefers-reduced-motion", Value: "reduce"},
		},
	})))
	p.check(void(chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 800, DeviceScaleFactor: 1,
	})))
}

// Go opens an address and waits until it has loaded.
func (p *Page) Go(address string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		p.fail("open %s: %v", address, err)
	}
}

// Address is where the page is.
func (p *Page) Address() string {
	p.t.Helper()
	return Evaluate[string](p, "location.href")
}

// Evaluate is what an expression of JavaScript is worth in the page, whose own
// scripts may be switched off.
func Evaluate[T any](p *Page, expression string) T {
	p.t.Helper()
	var v T
	p.Eventually("evaluate "+expression[:min(60, len(expression))], func() (err error) {
		v, err = chromedp.Run(p.ctx, chromedp.Evaluate[T](expression)) // fails while the page changes
		return err
	})
	return v
}

// Text is what can be read on the page.
func (p *Page) Text() string {
	p.t.Helper()
	return Evaluate[string](p, "document.body ? document.body.innerText : ''")
}

// Eventually waits for a condition, which says what is missing still.
func (p *Page) Eventually(what string, ok func() error) {
	p.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			p.fail("not within %v: %s: %v", patience, what, err)
		case <-p.ctx.Done():
			p.fail("the browser has ended: %s: %v", what, err)
		case <-tick.C:
		}
	}
}

func (p *Page) check(err error) {
	p.t.Helper()
	if err != nil {
		p.fail("%v", err)
	}
}

// fail ends the test with what the page shows; with go test -artifacts a picture
// of it is kept, too.
func (p *Page) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf(format, args...)
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	p.t.Logf("the page:\n%s\n%s", strings.TrimSpace(shown), strings.Join(p.faults.take(), "\n"))
	if picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
		_ = os.WriteFile(filepath.Join(p.t.ArtifactDir(), "failure.png"), picture, 0o600) // a help, no more
	}
	p.t.FailNow()
}
