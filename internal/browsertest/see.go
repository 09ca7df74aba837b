package browsertest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

// See waits until there is an element with this role and name. The name ""
// matches any name.
func (p *Page) See(role, name string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("%s %q", role, name), func() error {
		_, err := p.find(p.ctx, name, role)
		return err
	})
}

// Has reports whether an element with this role and name exists now.
func (p *Page) Has(role, name string) bool {
	_, err := p.find(p.ctx, name, role)
	return err == nil
}

// Gone waits until no element with this role and name exists.
func (p *Page) Gone(role, name string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("no %s %q", role, name), func() error {
		all, err := p.elements(p.ctx, role)
		if err != nil {
			return err
		}
		for _, e := range all {
			if strings.HasPrefix(e.name, name) {
				return fmt.Errorf("%s is still there", e)
			}
		}
		return nil
	})
}

// Heading waits until the document has loaded and its only main heading equals text.
func (p *Page) Heading(text string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("heading %q", text), func() error {
		is, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string](`document.readyState === 'complete'
			? [...document.querySelectorAll('h1')].map(h => h.innerText.trim().replace(/\s+/g, ' ')) : []`))
		if err == nil && (len(is) != 1 || !strings.HasPrefix(is[0], text)) {
			err = fmt.Errorf("main headings are %q", is)
		}
		return err
	})
}

// Read waits until the page contains the text.
func (p *Page) Read(text string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("text %q", text), func() error {
		shown, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		if err == nil && !strings.Contains(shown, text) {
			err = errors.New("the page does not show the text")
		}
		return err
	})
}

// Alert waits until an element with the role alert contains the text.
func (p *Page) Alert(text string) { p.t.Helper(); p.announced("alert", text) }

// Status waits until an element with the role status contains the text.
func (p *Page) Status(text string) { p.t.Helper(); p.announced("status", text) }

func (p *Page) announced(role, text string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("%s %q", role, text), func() error {
		said, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string](fmt.Sprintf(
			`[...document.querySelectorAll('[role=%s]%s')].map(e => e.innerText.trim())`, role, map[string]string{"status": ", output"}[role])))
		if err == nil && !strings.Contains(strings.Join(said, "\n"), text) {
			err = fmt.Errorf("they say %q", said)
		}
		return err
	})
}

// Rows returns the text of each cell in the first table, without the header.
func (p *Page) Rows() [][]string {
	p.t.Helper()
	return Evaluate[[][]string](p, `[...(document.querySelector('main table') || document.createElement('table')).querySelectorAll('tbody tr')]
		.map(tr => [...tr.cells].map(c => c.innerText.trim().replace(/\s+/g, ' ')))`)
}

// Options returns the text of each option in the drop-down with this label.
func (p *Page) Options(label string) []string {
	p.t.Helper()
	var all []string
	p.Eventually(fmt.Sprintf("options of %q", label), func() error {
		e, err := p.find(p.ctx, label, "combobox", "listbox")
		if err == nil {
			all, err = call[[]string](p.ctx, e, `function() { return [...this.options].map(o => o.text.trim().replace(/\s+/g, ' ')) }`)
		}
		return err
	})
	return all
}
