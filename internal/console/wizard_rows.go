package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
)

// The wizards keep no sessions: what has been chosen so far travels in the
// form, in hidden fields of one JSON document each. Whoever changes them by
// hand deceives nobody but himself: names are for showing, ids are looked up
// again, and all of it is bounded so that a form stays below the limit on
// bodies (wizard_size_test.go).
const (
	maxPicks    = 1000 // companies chosen one by one
	maxRows     = 100  // of one page
	pickName    = 50   // characters that a chosen one keeps of its name
	rowName     = 200  // characters that a row keeps
	maxClientID = 1 << 53
)

// pick is a Halo company that was chosen.
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

func (r row) pick() pick { return pick{ID: r.ID, Name: shorten(r.Name, pickName)} }

// errGarbled is for hidden fields that no page of ours has sent.
var errGarbled = errors.New("the form could not be read; start again from the menu")

// decodeHidden reads one hidden field, strictly.
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

// hidden writes what [decodeHidden] reads.
func hidden(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

// Hidden is the field that carries p.
func (p pick) Hidden() (string, error) { return hidden(p) }

// Hidden is the field that carries r.
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

// shorten cleans a name and cuts it to most characters, visibly.
func shorten(name string, most int) string {
	name = plaintext.Clean(name, most+1)
	if utf8.RuneCountInString(name) <= most {
		return name
	}
	return plaintext.Clean(name, most-1) + "…"
}

// picks are the chosen ones, in the order in which they were chosen, each once.
type picks []pick

func (p picks) at(id int64) int {
	return slices.IndexFunc(p, func(c pick) bool { return c.ID == id })
}

// Has says whether a company is chosen.
func (p picks) Has(id int64) bool { return p.at(id) >= 0 }

func (p picks) ids() []int64 {
	ids := make([]int64, len(p))
	for i, c := range p {
		ids[i] = c.ID
	}
	return ids
}

// with adds c, if it is not there yet; full says that there is no room.
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

// merge takes over what is ticked on a page and takes out what is not. It
// says how many did not fit. Rows that cannot be ticked stay as they are.
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
