package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/engine/enginetest"
)

// edit changes the fields of a form before a button is pressed.
type edit func(a *answer, form *html.Node, v url.Values)

// typed fills in a field.
func typed(name, text string) edit {
	return func(a *answer, form *html.Node, v url.Values) {
		a.t.Helper()
		if !slices.ContainsFunc(elements(form, "input", "select"), func(n *html.Node) bool { return attr(n, "name") == name }) {
			a.t.Fatalf("%s: there is no field %q in the form", a.what, name)
		}
		v.Set(name, text)
	}
}

// ticked toggles a checkbox or selects a radio button by its value.
func ticked(name, value string) edit {
	return func(a *answer, form *html.Node, v url.Values) {
		a.t.Helper()
		for _, n := range elements(form, "input") {
			if attr(n, "name") != name || attr(n, "value") != value {
				continue
			}
			switch i := slices.Index(v[name], value); {
			case attr(n, "type") == "radio":
				v.Set(name, value)
			case attr(n, "type") != "checkbox":
				continue
			case i >= 0:
				v[name] = slices.Delete(v[name], i, i+1)
			default:
				v.Add(name, value)
			}
			return
		}
		a.t.Fatalf("%s: no checkbox or radio button has %s=%s", a.what, name, value)
	}
}

// press presses the button with the given text, label or id and submits its form, like a
// browser without scripts.
func (s *stage) press(a *answer, button string, changes ...edit) *answer {
	s.t.Helper()
	target, v := s.filled(a, button, changes...)
	if target.method == http.MethodGet {
		return s.get(target.action + "?" + v.Encode())
	}
	return s.ask(http.MethodPost, target.action, v)
}

type target struct{ method, action string }

// filled returns the target and the values of the form that a button submits.
func (s *stage) filled(a *answer, button string, changes ...edit) (target, url.Values) {
	s.t.Helper()
	b, form := a.button(button)
	v := sentBy(form)
	for _, c := range changes {
		c(a, form, v)
	}
	to := target{strings.ToUpper(attr(form, "method")), attr(form, "action")}
	if m := attr(b, "formmethod"); m != "" {
		to.method = strings.ToUpper(m)
	}
	if action := attr(b, "formaction"); action != "" {
		to.action = action
	}
	if name := attr(b, "name"); name != "" {
		v.Set(name, attr(b, "value"))
	}
	return to, v
}

// button returns the button with the given text, label or id, and its form.
func (a *answer) button(name string) (button, form *html.Node) {
	a.t.Helper()
	for _, b := range elements(a.doc, "button") {
		if textOf(b) != name && attr(b, "aria-label") != name && attr(b, "id") != name {
			continue
		}
		for form := b.Parent; form != nil; form = form.Parent {
			if form.Data == "form" {
				return b, form
			}
		}
	}
	a.t.Fatalf("%s: there is no button %q in\n%s", a.what, name, textOf(a.doc))
	return nil, nil
}

// sentBy returns the fields of a form as a browser sends them.
func sentBy(form *html.Node) url.Values {
	v := url.Values{}
	for _, n := range elements(form, "input", "select") {
		name := attr(n, "name")
		_, off := attrOf(n, "disabled")
		if name == "" || off {
			continue
		}
		if n.Data == "select" {
			v.Add(name, selected(n))
			continue
		}
		_, checked := attrOf(n, "checked")
		if kind := attr(n, "type"); checked || kind != "checkbox" && kind != "radio" {
			v.Add(name, attr(n, "value"))
		}
	}
	return v
}

// selected returns the value of a select element: the value of the selected option, or of
// the first one if none is selected.
func selected(sel *html.Node) string {
	options := elements(sel, "option")
	i := max(0, slices.IndexFunc(options, func(o *html.Node) bool { _, is := attrOf(o, "selected"); return is }))
	if value, ok := attrOf(options[i], "value"); ok {
		return value
	}
	return textOf(options[i])
}

// elements returns the elements with the given tag names, in document order.
func elements(n *html.Node, tags ...string) (found []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && slices.Contains(tags, d.Data) {
			found = append(found, d)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	value, _ := attrOf(n, name)
	return value
}

// entries returns the text of each item in the list with the given class.
func (a *answer) entries(class string) (texts []string) {
	for _, ul := range a.find("ul", "class", class) {
		for _, li := range elements(ul, "li") {
			texts = append(texts, textOf(li))
		}
	}
	return texts
}

// hasty returns a stage whose engine does not retry requests to Halo.
func hasty(t testing.TB, n int) *stage {
	t.Helper()
	s := newStage(t, n)
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	s.engine = enginetest.New(enginetest.Config{Store: s.store, Allow: allow, RetryBudget: time.Millisecond})
	s.console = New(Config{Engine: s.engine.Engine, Store: s.store})
	return s
}
