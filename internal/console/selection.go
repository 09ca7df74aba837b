package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/problem"
)

// The server keeps no state for the wizards. Hidden fields of the form, each a JSON
// document, carry the selection. A field that the user has tampered with is harmless,
// because names are only shown and ids are looked up again. These bounds keep a form below
// the size limit of a request body; see wizard_size_test.go.
const (
	maxPicks    = 1000 // companies chosen one by one
	maxRows     = 100  // rows on a page
	pickName    = 50   // characters in the name of a chosen company
	rowName     = 200  // characters in the name of a row
	maxClientID = 1 << 53
)

// pick is a chosen Halo company.
type pick struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// row is a Halo company as the page shows it.
type row struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Inactive bool   `json:"inactive,omitempty"`
	Parent   string `json:"parent,omitempty"`
}

// rowOf returns the row of a client.
func rowOf(c engine.BrowsedClient) row {
	return row{
		ID: c.ID, Name: shorten(c.Name, rowName), Inactive: c.Inactive, Parent: shorten(c.TopLevelName, pickName),
	}
}

func (r row) pick() pick { return pick{ID: r.ID, Name: shorten(r.Name, pickName)} }

// errGarbled means that a hidden field has a value that the console never sends.
var errGarbled error = &problem.InputError{Reason: "The form could not be read. Start again from the menu."}

// decodeHidden decodes a hidden field. It refuses unknown members and trailing data.
func decodeHidden(text string, into any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return errGarbled
	}
	if dec.More() {
		return errGarbled
	}
	return nil
}

// hidden encodes a hidden field for [decodeHidden].
func hidden(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

// Hidden returns p as the value of a hidden field.
func (p pick) Hidden() (string, error) { return hidden(p) }

// Hidden returns r as the value of a hidden field.
func (r row) Hidden() (string, error) { return hidden(r) }

func decodePick(text string) (pick, error) {
	var p pick
	if err := decodeHidden(text, &p); err != nil {
		return pick{}, err
	}
	p.Name = shorten(p.Name, pickName)
	return p, checkClientID(p.ID)
}

func decodeRow(text string) (row, error) {
	var r row
	if err := decodeHidden(text, &r); err != nil {
		return row{}, err
	}
	r.Name, r.Parent = shorten(r.Name, rowName), shorten(r.Parent, pickName)
	return r, checkClientID(r.ID)
}

func checkClientID(id int64) error {
	if id < 1 || id > maxClientID {
		return fmt.Errorf("%d is not the number of a Halo company", id)
	}
	return nil
}

// shorten cleans a name and cuts it to limit characters. The last character of a shortened
// name is an ellipsis.
func shorten(name string, limit int) string {
	name = plaintext.Clean(name, limit+1)
	if utf8.RuneCountInString(name) <= limit {
		return name
	}
	return plaintext.Clean(name, limit-1) + "…"
}

// picks contains the chosen companies without duplicates, in the order in which they were
// chosen.
type picks []pick

func (p picks) at(id int64) int {
	return slices.IndexFunc(p, func(c pick) bool { return c.ID == id })
}

// Has reports whether a company is in the selection.
func (p picks) Has(id int64) bool { return p.at(id) >= 0 }

func (p picks) ids() []int64 {
	ids := make([]int64, len(p))
	for i, c := range p {
		ids[i] = c.ID
	}
	return ids
}

// with returns the selection with c added, unless the selection already has c. The result
// full is true if the selection has no room for c.
func (p picks) with(c pick) (_ picks, full bool) {
	switch {
	case p.Has(c.ID):
		return p, false
	case len(p) >= maxPicks:
		return p, true
	}
	return append(p, c), false
}

func (p picks) without(id int64) picks {
	return slices.DeleteFunc(p, func(c pick) bool { return c.ID == id })
}

// merge adds the ticked rows to the selection and removes the unticked ones. It returns
// the number of rows that did not fit. Rows that the user cannot tick do not change the
// selection.
func (p picks) merge(rows []row, ticked map[int64]bool, can func(row) bool) (_ picks, left int) {
	for _, r := range rows {
		switch {
		case !can(r):
		case !ticked[r.ID]:
			p = p.without(r.ID)
		default:
			var full bool
			if p, full = p.with(r.pick()); full {
				left++
			}
		}
	}
	return p, left
}
