package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// element is a node of the accessibility tree.
type element struct {
	node        cdp.BackendNodeID
	role, name  string
	description string
	disabled    bool
}

func (e element) String() string { return fmt.Sprintf("%s %q", e.role, e.name) }

// find returns the element with the given name and one of the roles. If no such
// element exists, find accepts a single element whose name begins with the
// given name.
func (p *Page) find(ctx context.Context, name string, roles ...string) (element, error) {
	all, err := p.elements(ctx, roles...)
	if err != nil {
		return element{}, err
	}
	var near []element
	for _, e := range all {
		switch {
		case e.name == name:
			return e, nil
		case strings.HasPrefix(e.name, name):
			near = append(near, e)
		}
	}
	if len(near) == 1 {
		return near[0], nil
	}
	return element{}, fmt.Errorf("no %s %q among %v", strings.Join(roles, " or "), name, all)
}

// elements returns all elements with these roles, in document order.
func (p *Page) elements(ctx context.Context, roles ...string) ([]element, error) {
	document, err := chromedp.Run(ctx, chromedp.Evaluate[*runtime.RemoteObject]("document"))
	if err != nil {
		return nil, err
	}
	var all []element
	for _, role := range roles {
		found, err := chromedp.Call(ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{ObjectID: document.ObjectID, Role: role})
		if err != nil {
			return nil, err
		}
		for _, n := range found.Nodes {
			if !n.Ignored {
				all = append(all, elementOf(n))
			}
		}
	}
	return all, nil
}

func elementOf(n *accessibility.Node) element {
	e := element{node: n.BackendDOMNodeID, role: textOf(n.Role), name: textOf(n.Name), description: textOf(n.Description)}
	e.disabled = slices.ContainsFunc(n.Properties, func(p *accessibility.Property) bool {
		return p.Name == "disabled" && p.Value != nil && string(p.Value.Value) == "true"
	})
	return e
}

// textOf returns the text of a value in the tree, with single spaces.
func textOf(v *accessibility.Value) string {
	var text string
	if v == nil || json.Unmarshal(v.Value, &text) != nil {
		return ""
	}
	return strings.Join(strings.Fields(text), " ")
}

// centre scrolls an element into view and returns a point inside it that can be
// clicked.
func (p *Page) centre(ctx context.Context, e element) (x, y float64, err error) {
	if _, err := chromedp.Call(ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: e.node}); err != nil {
		return 0, 0, err
	}
	shape, err := chromedp.Call(ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: e.node})
	if err != nil {
		return 0, 0, err
	}
	if len(shape.Quads) == 0 || len(shape.Quads[0]) != 8 {
		return 0, 0, fmt.Errorf("%s is not visible on the page", e)
	}
	q := shape.Quads[0]
	x, y = (q[0]+q[4])/2, (q[1]+q[5])/2
	free, err := call[bool](ctx, e, `function(x, y) {
		const top = document.elementFromPoint(x, y)
		return !!top && (this.contains(top) || top.contains(this) || [...(this.labels || [])].some(l => l.contains(top)))
	}`, x, y)
	if err == nil && !free {
		err = fmt.Errorf("%s is covered by another element", e)
	}
	return x, y, err
}

// call calls a JavaScript function on an element.
func call[T any](ctx context.Context, e element, function string, args ...any) (v T, err error) {
	object, err := chromedp.Call(ctx, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: e.node})
	if err != nil {
		return v, err
	}
	params := runtime.CallFunctionOnParams{ObjectID: object.Object.ObjectID, FunctionDeclaration: function, ReturnByValue: new(true)}
	for _, arg := range args {
		b, err := json.Marshal(arg)
		if err != nil {
			return v, err
		}
		params.Arguments = append(params.Arguments, &runtime.CallArgument{Value: b})
	}
	result, err := chromedp.Call(ctx, runtime.CallFunctionOn, params)
	switch {
	case err != nil:
		return v, err
	case result.ExceptionDetails != nil:
		return v, errors.New(thrown(result.ExceptionDetails))
	case result.Result == nil || len(result.Result.Value) == 0:
		return v, nil
	}
	return v, json.Unmarshal(result.Result.Value, &v)
}
