package browsertest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// fields lists the roles of elements that accept text.
var fields = []string{"textbox", "searchbox", "spinbutton", "combobox"}

// Click waits until the element with this role and name exists and is not
// covered, and clicks it with the mouse.
func (p *Page) Click(role, name string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("click %s %q", role, name), func() error { return p.Try(role, name) })
}

// Try is like [Page.Click], but does not wait. Use it for an element that may be missing.
func (p *Page) Try(role, name string) error {
	e, err := p.find(p.ctx, name, role)
	if err != nil {
		return err
	}
	return p.click(e)
}

func (p *Page) click(e element) error {
	if e.disabled {
		return fmt.Errorf("%s is disabled", e)
	}
	if !p.noScripts {
		if _, err := call[bool](p.ctx, e, "function() { this.hits = 0; this.addEventListener('click', () => this.hits++, {capture: true}) }"); err != nil {
			return err
		}
	}
	x, y, err := p.centre(p.ctx, e)
	if err != nil {
		return err
	}
	if err := chromedp.Do(p.ctx, chromedp.MouseClickXY(x, y)); err != nil {
		return err
	}
	// The element may have moved or been replaced during the click.
	if e.role == "radio" {
		chosen, err := call[bool](p.ctx, e, "function() { return this.isConnected && this.checked }")
		if err == nil && !chosen {
			err = fmt.Errorf("%s is not chosen", e)
		}
		return err
	}
	if p.noScripts { // nothing moves, and no listener is called
		return nil
	}
	// An error means that the click has led to another page.
	if hit, err := call[bool](p.ctx, e, "function() { return this.hits > 0 }"); err == nil && !hit {
		return fmt.Errorf("%s moved during the click", e)
	}
	return nil
}

// Press clicks a button.
func (p *Page) Press(name string) {
	p.t.Helper()
	p.Click("button", name)
}

// Follow clicks a link.
func (p *Page) Follow(name string) {
	p.t.Helper()
	p.Click("link", name)
}

// Fill replaces the content of the field with this label, as if typed.
func (p *Page) Fill(label, text string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("fill in %q", label), func() error {
		e, err := p.find(p.ctx, label, fields...)
		if err != nil {
			return err
		}
		if e.disabled {
			return fmt.Errorf("%s is disabled", e)
		}
		if _, err := chromedp.Call(p.ctx, dom.Focus, dom.FocusParams{BackendNodeID: e.node}); err != nil {
			return err
		}
		if _, err := call[bool](p.ctx, e, "function() { this.select() }"); err != nil {
			return err
		}
		if text == "" {
			return chromedp.Do(p.ctx, chromedp.KeyEvent("\b"))
		}
		return void(chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}))
	})
}

// Choose selects an option of the drop-down with the given label. It prefers
// the option with exactly the given text. Otherwise it selects the first option
// whose text begins with the given text.
func (p *Page) Choose(label, option string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("choose %q in %q", option, label), func() error {
		e, err := p.find(p.ctx, label, "combobox", "listbox")
		if err != nil {
			return err
		}
		found, err := call[string](p.ctx, e, `function(text) {
			const said = o => o.text.trim().replace(/\s+/g, ' ')
			const all = [...this.options]
			const one = all.find(o => said(o) === text) || all.find(o => said(o).startsWith(text))
			if (!one) return all.map(said).join(', ') || 'nothing to choose from'
			this.focus()
			one.selected = true
			this.dispatchEvent(new Event('input', {bubbles: true}))
			this.dispatchEvent(new Event('change', {bubbles: true}))
			return ''
		}`, option)
		if err == nil && found != "" {
			err = errors.New("the options are: " + found)
		}
		return err
	})
}

// Type presses keys one after another: letters, or keys of chromedp's package
// kb such as "\t" and "\r".
func (p *Page) Type(keys string) {
	p.t.Helper()
	p.check(chromedp.Do(p.ctx, chromedp.KeyEvent(keys)))
}

// Focused returns the role and name of the focused element, such as
// `button "Next"`.
func (p *Page) Focused() string {
	p.t.Helper()
	var focused string
	p.Eventually("the focus", func() error {
		object, err := chromedp.Run(p.ctx, chromedp.Evaluate[*runtime.RemoteObject]("document.activeElement"))
		if err != nil {
			return err
		}
		tree, err := chromedp.Call(p.ctx, accessibility.GetPartialAXTree,
			accessibility.GetPartialAXTreeParams{ObjectID: object.ObjectID, FetchRelatives: new(false)})
		if err != nil {
			return err
		}
		if len(tree.Nodes) == 0 {
			return errors.New("no element has the focus")
		}
		focused = elementOf(tree.Nodes[0]).String()
		return nil
	})
	return focused
}

// TabTo presses Tab until the element with this role and name has the focus, as
// a person without a mouse would.
func (p *Page) TabTo(role, name string) {
	p.t.Helper()
	var passed []string
	for range 150 {
		p.Type("\t")
		at := p.Focused()
		if at == fmt.Sprintf("%s %q", role, name) || strings.HasPrefix(at, fmt.Sprintf("%s \"%s", role, name)) {
			return
		}
		passed = append(passed, at)
	}
	p.fail("Tab does not reach %s %q, only %v", role, name, passed)
}
