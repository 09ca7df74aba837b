// Package browsertest drives a headless Chromium as a person would. To click or fill in an
// element, it finds the element in the accessibility tree by role and name, as a screen
// reader does. It records faults (console errors, exceptions, violations of the content
// security policy, failed requests) and checks pages with axe-core.
//
// It is independent of the pages under test. Only tests use it. axe-core, in
// testdata, is licensed under MPL-2.0 and is not part of any program.
package browsertest

import (
	"context"
	"errors"
	"sync"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"

	"github.com/halosync/halosync/internal/devstack"
)

// Browser is a running Chromium. Several of its pages may be used at the same
// time.
type Browser struct {
	chromium *devstack.Chromium
	ctx      context.Context //nolint:containedctx // chromedp's handle of the browser
	cancel   func()
}

// Start starts a browser with a private profile, for all tests of a binary.
func Start(ctx context.Context) (*Browser, error) {
	chromium, err := devstack.StartChromium(ctx)
	if err != nil {
		return nil, err
	}
	allocator, release := remote.NewAllocator(context.WithoutCancel(ctx), chromium.Address(), remote.NoModifyURL)
	tab, closeTab := chromedp.NewContext(allocator)
	b := &Browser{chromium: chromium, ctx: tab, cancel: func() { closeTab(); release() }}
	if err := chromedp.Do(tab); err != nil { // connects to the browser
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close stops the browser and removes its files.
func (b *Browser) Close() error {
	b.cancel()
	return b.chromium.Close()
}

// Shared is a browser that starts when a test first needs it. The zero value is
// ready to use.
type Shared struct {
	once    sync.Once
	browser *Browser
	err     error
}

// Browser returns the browser. The first call starts it.
func (s *Shared) Browser() (*Browser, error) {
	s.once.Do(func() { s.browser, s.err = Start(context.Background()) })
	return s.browser, s.err
}

// Close stops the browser if it was started. Do not use s after Close.
func (s *Shared) Close() error {
	s.once.Do(func() { s.err = errors.New("the tests are over") })
	if s.browser == nil {
		return nil
	}
	return s.browser.Close()
}
