package console

import (
	"slices"

	"github.com/google/uuid"
)

// pageRows is how many rows a page of a list shows.
const pageRows = 50

// span is where a page of a list begins or ends: after one row, or before one.
type span struct{ after, before uuid.UUID }

// span reads the fields after and before of the query; what is no id is none.
func (v *visit) span() span {
	id := func(name string) uuid.UUID {
		id, err := uuid.Parse(v.value(name))
		if err != nil {
			return uuid.UUID{}
		}
		return id
	}
	return span{id("after"), id("before")}
}

// listed is one page of a list with the addresses of those beside it.
type listed[T any] struct {
	Rows       []T
	Back, Next string // empty: there is none
}

// list reads one page. fetch gives up to limit rows after one, zero being the
// start of the list, or before one, zero being its end, nearest first. So a
// page costs what it shows, wherever it is, and nothing is counted.
func list[T any](v *visit, id func(T) uuid.UUID, fetch func(backwards bool, from uuid.UUID, limit int) ([]T, error)) (listed[T], error) {
	at := v.span()
	backwards := at.before != uuid.UUID{}
	from := at.after
	if backwards {
		from = at.before
	}
	rows, err := fetch(backwards, from, pageRows+1)
	if err != nil {
		return listed[T]{}, err
	}
	more := len(rows) > pageRows
	rows = rows[:min(len(rows), pageRows)]
	if backwards {
		slices.Reverse(rows)
	}
	page := listed[T]{Rows: rows}
	if len(rows) == 0 {
		if from != (uuid.UUID{}) { // what was beside it is gone
			page.Back = v.with("after", "", "before", "")
		}
		return page, nil
	}
	if backwards && more || !backwards && from != (uuid.UUID{}) {
		page.Back = v.with("after", "", "before", id(rows[0]).String())
	}
	if backwards || more {
		page.Next = v.with("before", "", "after", id(rows[len(rows)-1]).String())
	}
	return page, nil
}

// within is a fetch over a list that is at hand.
func within[T any](all []T, id func(T) uuid.UUID) func(bool, uuid.UUID, int) ([]T, error) {
	return func(backwards bool, from uuid.UUID, limit int) ([]T, error) {
		rows := slices.Clone(all)
		if backwards {
			slices.Reverse(rows)
		}
		if at := slices.IndexFunc(rows, func(row T) bool { return id(row) == from }); at >= 0 {
			rows = rows[at+1:]
		}
		return rows[:min(len(rows), limit)], nil
	}
}
