package browsertest

import (
	"os"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// HTML is the document as it is now.
func (p *Page) HTML() string {
	p.t.Helper()
	return Evaluate[string](p, "document.documentElement.outerHTML")
}

// Cookies are the values of the tab's cookies by name, those that scripts do not
// see included.
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

// Save writes a picture of the top of the page, as a window of this size
// shows it, to a file.
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
	return os.WriteFile(path, shot.Data, 0o644) //nolint:gosec // a picture for the documentation
}
