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

// fields are the roles of what takes a text.
var fields = []string{"textbox", "searchbox", "spinbutton", "combobox"}

// Click clicks the element of a role and a name with the mouse, once it is there
// and nothing covers it.
func (p *Page) Click(role, name string) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("click %s %q", role, name), func() error { return p.Try(role, name) })
}

// Try is one try of [Page.Click], for what may not be there.
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
	x, y, err := p.centre(p.ctx, e)
	if err != nil {
		return err
	}
	if err := chromedp.Do(p.ctx, chromedp.MouseClickXY(x, y)); err != nil || e.role != "radio" {
		return err
	}
	// It may have moved away, or been replaced, under the click.
	chosen, err := call[bool](p.ctx, e, "function() { return this.isConnected && this.checked }")
	if err == nil && !chosen {
		err = fmt.Errorf("%s is not chosen", e)
	}
	return err
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

// Fill replaces the text of the field with this label, as typed.
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

// Choose picks the option with this text, or whose text begins so, of the
// drop-down with this label.
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
			err = errors.New("there are " + found)
		}
		return err
	})
}

// Type presses keys, one after the other: letters, or those of package kb of
// chromedp's such as "\t" and "\r".
func (p *Page) Type(keys string) {
	p.t.Helper()
	p.check(chromedp.Do(p.ctx, chromedp.KeyEvent(keys)))
}

// Focused is the role and name of what has the focus, such as `button "Next"`.
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
			return errors.New("nothing has it")
		}
		focused = elementOf(tree.Nodes[0]).String()
		return nil
	})
	return focused
}

// TabTo presses the tabulator until the element of this role and name has the
// focus, as a person without a mouse does.
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
	p.fail("the tabulator does not reach %s %q, only %v", role, name, passed)
}
