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

// waitTimeout bounds every wait for a page, long enough for a busy machine.
const waitTimeout = 45 * time.Second

// These are window widths in pixels: a desktop, and the narrowest window that
// the pages support.
const (
	Wide   = 1280
	Narrow = 380
)

// Page is a tab with its own cookies. Only the goroutine of its test may use
// it. A method that cannot do its work fails the test.
type Page struct {
	t      testing.TB
	ctx    context.Context //nolint:containedctx // chromedp's handle of the tab
	faults *faults
	// noScripts is true after WithoutScripts.
	noScripts bool
}

// Open opens a tab for a test and closes it when the test ends. Unexpected
// faults in the tab fail the test.
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
		// Lets several tabs have focus at the same time.
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

// void discards a result and returns the error.
func void[T any](_ T, err error) error { return err }

// WithoutScripts disables JavaScript for documents that are loaded later.
func (p *Page) WithoutScripts() {
	p.t.Helper()
	p.noScripts = true
	p.check(void(chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})))
}

// Scheme is a preferred colour scheme.
type Scheme string

// The colour schemes.
const (
	Light Scheme = "light"
	Dark  Scheme = "dark"
)

// Look sets the colour scheme and the width of the window in pixels.
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

// Go opens an address and waits until the page has loaded.
func (p *Page) Go(address string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		p.fail("open %s: %v", address, err)
	}
}

// Address returns the page's address.
func (p *Page) Address() string {
	p.t.Helper()
	return Evaluate[string](p, "location.href")
}

// Evaluate returns the value of a JavaScript expression in the page. It also works
// after [Page.WithoutScripts].
func Evaluate[T any](p *Page, expression string) T {
	p.t.Helper()
	var v T
	p.Eventually("evaluate "+expression[:min(60, len(expression))], func() (err error) {
		v, err = chromedp.Run(p.ctx, chromedp.Evaluate[T](expression)) // fails while the page is changing
		return err
	})
	return v
}

// Text returns the visible text of the page.
func (p *Page) Text() string {
	p.t.Helper()
	return Evaluate[string](p, "document.body ? document.body.innerText : ''")
}

// HTML returns the current document.
func (p *Page) HTML() string {
	p.t.Helper()
	return Evaluate[string](p, "document.documentElement.outerHTML")
}

// Cookies returns the values of the tab's cookies by name, including HttpOnly
// cookies.
func (p *Page) Cookies() map[string]string {
	p.t.Helper()
	got, err := chromedp.Call(p.ctx, network.GetCookies, network.GetCookiesParams{})
	p.check(err)
	all := make(map[string]string, len(got.Cookies))
	for _, c := range got.Cookies {
		all[c.Name] = c.Value
	}
	return all
}

// Save writes a screenshot of the top of the page, in a window of the given size, to a
// file.
func (p *Page) Save(path string, width, height int64) error {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1,
	}); err != nil {
		return err
	}
	shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err != nil {
		return err
	}
	return os.WriteFile(path, shot.Data, 0o644) //nolint:gosec // a picture for the documentation is not secret
}

// Eventually waits until the function ok returns nil. The error from ok describes the
// condition that is not yet met.
func (p *Page) Eventually(what string, ok func() error) {
	p.t.Helper()
	deadline := time.After(waitTimeout)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			p.fail("not within %v: %s: %v", waitTimeout, what, err)
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

// fail ends the test and logs what the page shows. With go test -artifacts it
// also keeps a screenshot.
func (p *Page) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf(format, args...)
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	p.t.Logf("the page:\n%s\n%s", strings.TrimSpace(shown), strings.Join(p.faults.take(), "\n"))
	if picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
		_ = os.WriteFile(filepath.Join(p.t.ArtifactDir(), "failure.png"), picture, 0o600) // best effort
	}
	p.t.FailNow()
}
