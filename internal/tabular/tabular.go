// Package tabular reads the files that people give to commands: ids of clients, and pairs
// of companies and clients. The files come from spreadsheets, from scripts, and from the
// CSV output of the commands. A file that can be read in two ways is refused, because a
// wrong id imports or maps the wrong customer.
//
// A file is UTF-8 text of at most 8 MiB, with or without a byte order mark. Cells are
// separated by commas, semicolons or tabs, and may be quoted as in RFC 4180. A first line
// such as "sep=;" names the separator. Comments, which start with #, and blank lines may
// precede the heading. The heading names the columns, in any order. Only a file whose first
// row cannot be a heading, because it contains an id, is read by position.
package tabular

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/halosync/halosync/internal/plaintext"
)

// List contains the items of a file.
type List[T any] struct {
	Items      []T
	PassedOver PassedOver
	// Connection is the value of the column "connection", as in the output of "enqueue
	// mappings". It is empty if the file has no such column.
	Connection string
}

// PassedOver lists the lines that contain no item. It omits empty lines.
type PassedOver []struct {
	Line int
	Why  string
}

func (p *PassedOver) add(line int, why string) {
	*p = append(*p, struct {
		Line int
		Why  string
	}{line, why})
}

// String counts the lines and describes the first [maxFaults] of them.
func (p PassedOver) String() string {
	var text strings.Builder
	text.WriteString(plaintext.Plural(len(p), "line passed over", "lines passed over"))
	for i, l := range p[:min(len(p), maxFaults)] {
		fmt.Fprintf(&text, "%s line %d (%s)", []string{":", ","}[min(i, 1)], l.Line, l.Why)
	}
	if len(p) > maxFaults {
		fmt.Fprintf(&text, " and %d more", len(p)-maxFaults)
	}
	return text.String()
}

// maxFaults is the maximum number of invalid lines that an error lists.
const maxFaults = 10

// collect reads the rows after the heading. The function item returns the item of a row, or
// the reason why the row has none. A row without any value is skipped. The error lists the
// first [maxFaults] invalid lines and counts the remaining ones.
func collect[T any](f *file, heading heading, what string, item func(row) (T, string, error)) (List[T], error) {
	list := List[T]{PassedOver: f.passed}
	var faults []error
	more, connectionLine := 0, 0
	for r, err := range f.rows() {
		var it T
		var why string
		if err == nil {
			it, why, err = item(r)
		}
		if why == "" && err == nil {
			connection := r.cell(heading.at("connection"))
			if connectionLine > 0 && connection != list.Connection {
				err = fmt.Errorf("it belongs to connection %.80q, but line %d belongs to %.80q: want a file for only one connection", connection, connectionLine, list.Connection)
			} else {
				list.Connection, connectionLine = connection, r.line
			}
		}
		switch {
		case err != nil && len(faults) == maxFaults:
			more++
		case err != nil:
			faults = append(faults, fmt.Errorf("line %d: %w", r.line, err))
		case why != "":
			list.PassedOver.add(r.line, why)
		default:
			list.Items = append(list.Items, it)
		}
	}
	if more > 0 {
		faults = append(faults, errors.New("and "+plaintext.Plural(more, "more invalid line", "more invalid lines")))
	}
	switch {
	case len(faults) > 0:
		return List[T]{}, errors.Join(faults...)
	case len(list.Items) == 0 && len(list.PassedOver) > 0:
		return List[T]{}, fmt.Errorf("no %s found; %v", what, list.PassedOver)
	case len(list.Items) == 0:
		return List[T]{}, fmt.Errorf("no %s found", what)
	}
	return list, nil
}

// Reasons why a line is passed over.
const (
	comment   = "comment"
	noClient  = "no client"
	noCompany = "no company"
)

// heading contains the names of the columns, as [columnName] returns them. It is nil for a
// file without a heading.
type heading []string

// columnName returns a column's name in lower case without spaces, hyphens, underscores or
// full stops, because spreadsheets and people spell names differently.
func columnName(cell string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \u00a0_-.\ufeff", r) {
			return -1
		}
		return r
	}, strings.ToLower(cell))
}

func headingOf(r row) heading {
	h := make(heading, len(r.cells))
	for i, cell := range r.cells {
		h[i] = columnName(cell)
	}
	return h
}

// at returns the index of a column, or -1. The name is spelled as in the output of the
// commands, such as "client_id".
func (h heading) at(name string) int { return slices.Index(h, columnName(name)) }

func (h heading) has(name string) bool { return h.at(name) >= 0 }

// known returns how many of the given columns the heading has.
func (h heading) known(names []string) (n int) {
	for _, name := range names {
		if h.has(name) {
			n++
		}
	}
	return n
}

// twice returns an error if one of the columns occurs twice.
func (h heading) twice(names []string) error {
	for _, name := range names {
		if i := h.at(name); i >= 0 && slices.Contains(h[i+1:], h[i]) {
			return fmt.Errorf("the heading has two columns %s: rename or delete one", name)
		}
	}
	return nil
}

// ours reports whether the heading is that of "enqueue clients" or "enqueue companies
// list", whose rows always have all cells.
func (h heading) ours() bool { return h.ofClients() || h.ofCompanies() }

// ofClients reports whether the heading is that of "enqueue clients -o csv".
func (h heading) ofClients() bool {
	return h.has("id") && h.has("name") && h.has("toplevel_name") && (h.has("company_id") || h.has("company_name"))
}

// ofCompanies reports whether the heading is that of "enqueue companies list -o csv".
func (h heading) ofCompanies() bool {
	return h.has("id") && h.has("name") && h.has("external_id") && (h.has("client_id") || h.has("client_name"))
}

// notUnderstood returns the error for a first row that is neither a heading nor data.
func notUnderstood(f *file, want string) error {
	return fmt.Errorf("line %d: the heading %.80q is not understood: %s", f.first.line, strings.Join(f.first.cells, string(f.comma)), want)
}
