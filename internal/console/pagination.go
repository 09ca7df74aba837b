package console

import (
	"slices"

	"github.com/google/uuid"
)

// pageRows is the number of rows on a page of a list.
const pageRows = 50

// span is a position in a list: the page starts after a row or ends before one.
type span struct{ after, before uuid.UUID }

// span parses the query parameters named "after" and "before". It ignores invalid ids.
func (r *request) span() span {
	id := func(name string) uuid.UUID {
		id, err := uuid.Parse(r.value(name))
		if err != nil {
			return uuid.UUID{}
		}
		return id
	}
	return span{id("after"), id("before")}
}

// listed is one page of a list, with the URLs of the previous and the next page.
type listed[T any] struct {
	Rows       []T
	Back, Next string // empty at the ends of the list
}

// paginate reads a page. The function fetch returns up to limit rows after from, or
// before from if backwards is set, nearest first. If from is zero, fetch begins at the
// start of the list, or at its end if backwards is set. Every page takes about the same
// time, because paginate does not count the rows.
func paginate[T any](r *request, id func(T) uuid.UUID, fetch func(backwards bool, from uuid.UUID, limit int) ([]T, error)) (listed[T], error) {
	at := r.span()
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
		if from != (uuid.UUID{}) { // all rows of the requested page were removed
			page.Back = r.with("after", "", "before", "")
		}
		return page, nil
	}
	if backwards && more || !backwards && from != (uuid.UUID{}) {
		page.Back = r.with("after", "", "before", id(rows[0]).String())
	}
	if backwards || more {
		page.Next = r.with("before", "", "after", id(rows[len(rows)-1]).String())
	}
	return page, nil
}

// fetchFrom returns a fetch function for a list in memory.
func fetchFrom[T any](all []T, id func(T) uuid.UUID) func(bool, uuid.UUID, int) ([]T, error) {
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
