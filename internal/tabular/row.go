package tabular

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// row is one row of a file.
type row struct {
	line    int
	cells   []string // trimmed
	quoted  []bool   // whether each cell is in quotes
	comma   rune
	several bool // the row has more than one line
}

// cell returns a cell, or an empty string if the row has no such cell.
func (r row) cell(i int) string {
	if i < 0 || i >= len(r.cells) {
		return ""
	}
	return r.cells[i]
}

// comment reports whether the row starts with #. Such a row is a comment unless it
// contains an item.
func (r row) comment() bool { return !r.quoted[0] && strings.HasPrefix(r.cells[0], "#") }

// tooMany returns an error if a row has more cells than the heading has columns. An
// unquoted name or number that contains a comma produces such a row.
func (r row) tooMany(columns int) error {
	for i := columns; i < len(r.cells); i++ {
		if r.cells[i] != "" {
			return fmt.Errorf("%d cells, but the heading has %d columns: put a cell that contains %s in quotes", len(r.cells), columns, separatorName(r.comma))
		}
	}
	return nil
}

// misfit returns an error if a row has more cells than the heading has columns, or seems to
// use a different separator from the heading's.
func (r row) misfit(columns int) error {
	if columns < 2 || len(r.cells) != 1 || r.quoted[0] {
		return r.tooMany(columns)
	}
	for _, comma := range separators {
		if comma != r.comma && strings.ContainsRune(r.cells[0], comma) {
			return fmt.Errorf("the heading is separated by %s, this line by %s: use one of them", separatorName(r.comma), separatorName(comma))
		}
	}
	return nil
}

func separatorName(comma rune) string {
	return map[rune]string{',': "a comma", ';': "a semicolon", '\t': "a tab"}[comma]
}

// openQuote returns an error if a comment has more than one line, because it may contain
// rows.
func (r row) openQuote() error {
	if r.several {
		return errors.New("a quote in this comment does not end on the line: delete the quote")
	}
	return nil
}

var (
	firstGroup = regexp.MustCompile(`^[1-9][0-9]{0,2}$`)
	otherGroup = regexp.MustCompile(`^[0-9]{3}$`)
)

// splitNumber returns an error if the cell and the next one may be a single number, such as
// 1,024, whose thousands separator was read as the end of a cell.
func (r row) splitNumber(i int) error {
	next := i + 1
	if r.comma != ',' || next >= len(r.cells) || r.quoted[i] || r.quoted[next] ||
		!firstGroup.MatchString(r.cells[i]) || !otherGroup.MatchString(r.cells[next]) {
		return nil
	}
	return fmt.Errorf("%s,%s may be one number: write the client id without separators; if these are two cells, put the second in quotes", r.cells[i], r.cells[next])
}
