package tabular

import (
	"fmt"
	"io"
)

// idColumns lists the columns that may contain a client's id.
var idColumns = []string{"client_id", "id", "client"}

// ReadIDs reads client ids from the column client_id, id or client. In a file without a
// heading, the id is in the first column, and no other column holds a number.
func ReadIDs(r io.Reader) (List[int64], error) {
	f, err := open(r, fitIDs)
	if err != nil {
		return List[int64]{}, err
	}
	if f.plain || len(f.text) == 0 {
		return collect(f, nil, "client id", plainID)
	}
	h := headingOf(f.first)
	column, err := idColumn(f, h)
	if err != nil {
		return List[int64]{}, err
	}
	return collect(f, h, "client id", func(r row) (int64, string, error) {
		id, _, fault := parseID(r.cell(column), r.comma)
		switch {
		case r.comment() && fault != nil:
			return 0, comment, r.openQuote()
		case r.misfit(len(h)) != nil:
			return 0, "", r.misfit(len(h))
		case r.cell(column) == "":
			return 0, "no client id", nil
		case fault == nil && !h.ours():
			fault = r.splitNumber(column)
		}
		return id, "", fault
	})
}

func fitIDs(r row) fit {
	if n := headingOf(r).known(idColumns); n > 0 {
		return plainRow + fit(n)
	}
	if _, number, _ := parseID(r.cell(0), r.comma); number {
		return plainRow
	}
	return 0
}

// idColumn returns the index of the column with the client's id.
func idColumn(f *file, h heading) (int, error) {
	if err := h.twice(idColumns); err != nil {
		return 0, fmt.Errorf("line %d: %w", f.first.line, err)
	}
	switch {
	case h.has("client_id"):
		return h.at("client_id"), nil
	case h.has("id") && (h.has("client") || h.has("client_name")):
		return 0, fmt.Errorf("line %d: the column id may belong to another record, because other columns name the client: rename the column with the client's id to client_id", f.first.line)
	case h.has("id"):
		return h.at("id"), nil
	case h.has("client"):
		return h.at("client"), nil
	}
	return 0, notUnderstood(f, "want a column client_id, id or client")
}

// plainID returns the id in a row of a file without a heading.
func plainID(r row) (int64, string, error) {
	if r.comment() {
		return 0, comment, r.openQuote()
	}
	id, _, err := parseID(r.cells[0], r.comma)
	if err != nil {
		return 0, "", err
	}
	for _, cell := range r.cells[1:] {
		if digitGroups.MatchString(cell) {
			return 0, "", fmt.Errorf("%.40q and %.40q are two numbers: write one client id per line, without separators, or begin the file with a heading such as id,name", r.cells[0], cell)
		}
	}
	return id, "", nil
}
