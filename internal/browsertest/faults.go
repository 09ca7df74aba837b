package browsertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// reportViolations writes each violation of the content security policy to the
// console as an error, with its details.
const reportViolations = `addEventListener('securitypolicyviolation', e =>
	console.error('content security policy: ' + e.effectiveDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber))`

// faults collects the faults in a tab.
type faults struct {
	mu       sync.Mutex
	said     []string
	statuses []answer
	paths    map[network.RequestID]string
}

// answer is a response with an error status.
type answer struct {
	status int
	path   string
}

func (a answer) String() string { return fmt.Sprintf("request: %s: status %d", a.path, a.status) }

func newFaults() *faults { return &faults{paths: make(map[network.RequestID]string)} }

// hear handles the browser's events. It runs in the goroutine that reads them.
func (f *faults) hear(event any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" || e.Type == "warning" {
			f.said = append(f.said, "console: "+words(e.Args))
		}
	case *runtime.EventExceptionThrown:
		f.said = append(f.said, "exception: "+thrown(e.ExceptionDetails))
	case *log.EventEntryAdded:
		// Network errors are recorded below, with the status.
		if e.Entry.Source != "network" && (e.Entry.Level == "error" || e.Entry.Level == "warning") {
			f.said = append(f.said, fmt.Sprintf("log: %s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		f.paths[e.RequestID] = e.Request.Method + " " + e.Request.URL
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			f.statuses = append(f.statuses, answer{int(e.Response.Status), f.paths[e.RequestID]})
		}
	case *network.EventLoadingFailed:
		if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" { // ERR_ABORTED means that the browser left the page
			f.said = append(f.said, fmt.Sprintf("request: %s: %s %s", f.paths[e.RequestID], e.ErrorText, e.BlockedReason))
		}
	}
}

// words returns the arguments of a console call as text.
func words(args []*runtime.RemoteObject) string {
	var all []string
	for _, arg := range args {
		if text := string(arg.Value); text != "" {
			all = append(all, strings.Trim(text, `"`))
		} else {
			all = append(all, arg.Description)
		}
	}
	return strings.Join(all, " ")
}

func thrown(d *runtime.ExceptionDetails) string {
	text := d.Text
	if d.Exception != nil {
		text += " " + d.Exception.Description
	}
	return fmt.Sprintf("%s (%s:%d)", text, d.URL, d.LineNumber)
}

// take returns the faults since the last call.
func (f *faults) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.said
	for _, a := range f.statuses {
		all = append(all, a.String())
	}
	f.said, f.statuses = nil, nil
	return all
}

// expected removes one response with the given status, and the console messages about that
// response, from the faults. It returns false if no response has the status.
func (f *faults) expected(status int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.statuses, func(a answer) bool { return a.status == status })
	if i < 0 {
		return false
	}
	f.statuses = slices.Delete(f.statuses, i, i+1)
	f.said = slices.DeleteFunc(f.said, func(text string) bool {
		return strings.HasPrefix(text, fmt.Sprintf("console: Response Status Error Code %d", status))
	})
	return true
}

// Expect waits for a response with this status and removes it from the faults.
func (p *Page) Expect(status int) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("an answer with status %d", status), func() error {
		if !p.faults.expected(status) {
			return errors.New("no such response yet")
		}
		return nil
	})
}

// Clean fails the test if there have been faults since the last call.
func (p *Page) Clean() {
	p.t.Helper()
	for _, fault := range p.faults.take() {
		p.t.Errorf("in the browser: %s", fault)
	}
}
