package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/engine"
)

// What an import takes.
const (
	choosePicked = "picked" // the ones that were chosen one by one
	chooseSearch = "search" // all that match the text in the search box
	chooseAll    = "all"
)

const (
	maxSearch   = 200 // bytes
	maxPage     = 1_000_000
	defaultSize = 50
	maxPageSize = 100
)

// listQuery is what the search fields ask for.
type listQuery struct {
	Connection string `json:"connection"` // id
	Search     string `json:"search,omitempty"`
	Page       int    `json:"page"`
	PageSize   int    `json:"page_size"`
	Inactive   bool   `json:"inactive,omitempty"`
}

// values are the query of the address that shows the same list.
func (q listQuery) values() url.Values {
	v := url.Values{"connection": {q.Connection}, "page": {strconv.Itoa(q.Page)}, "page_size": {strconv.Itoa(q.PageSize)}}
	if q.Search != "" {
		v.Set("search", q.Search)
	}
	if q.Inactive {
		v.Set("inactive", "1")
	}
	return v
}

func (q listQuery) path() string { return "/import?" + q.values().Encode() }

// settled is q without the page: two that are equal list the same.
func (q listQuery) settled() listQuery { q.Page = 0; return q }

// listing is the page of Halo's companies that is being shown.
type listing struct {
	listQuery
	Total int `json:"total"` // by Halo's count; -1: it did not say
}

// Hidden is the field that carries l.
func (l listing) Hidden() (string, error) { return hidden(l) }

// PageCount is how many pages there are; 0: that is not known.
func (l listing) PageCount() int {
	if l.Total < 0 || l.PageSize < 1 {
		return 0
	}
	return max(1, (l.Total+l.PageSize-1)/l.PageSize)
}

// Back is the page before; 0: none.
func (l listing) Back() int { return l.Page - 1 }

// Further is the page after; 0: none.
func (l listing) Further() int {
	if n := l.PageCount(); n == 0 || l.Page >= n {
		return 0
	}
	return l.Page + 1
}

// importForm is all that the wizard knows: the page carries it from one
// request to the next.
type importForm struct {
	listQuery
	Choice  string
	Picked  picks
	Listed  *listing // nil: nothing has been listed yet
	Rows    []row    // of Listed
	ticked  map[int64]bool
	Dropped string // why what had been chosen was dropped
}

// importFormOf reads what the browser sent. All faults are found; what is at
// fault has its default.
func importFormOf(v url.Values) (importForm, faults) {
	f, wrong := importForm{}, faults{}
	f.listQuery = listQueryOf(v, wrong)
	f.Choice = choiceOf(v, wrong)
	f.readHidden(v, wrong)
	f.forget()
	return f, wrong
}

func choiceOf(v url.Values, wrong faults) string {
	switch choice := v.Get("choice"); choice {
	case choosePicked, chooseSearch, chooseAll:
		return choice
	case "":
	default:
		wrong.add("choice", "Choose one of the three.")
	}
	return choosePicked
}

func listQueryOf(v url.Values, wrong faults) listQuery {
	q := listQuery{Connection: strings.TrimSpace(v.Get("connection")), Inactive: v.Get("inactive") != ""}
	q.Search = searchOf(v, "search", wrong)
	q.Page = numberOf(v, "page", 1, maxPage, wrong)
	q.PageSize = numberOf(v, "page_size", defaultSize, maxPageSize, wrong)
	return q
}

// readHidden reads what the page remembers.
func (f *importForm) readHidden(v url.Values, wrong faults) {
	if text := v.Get("listed"); text != "" {
		f.Listed = new(listing)
		if err := decodeHidden(text, f.Listed); err != nil {
			wrong.add("picked", "%s", sentence(err))
			f.Listed = nil
		}
	}
	for _, p := range eachHidden(v["picked"], "picked", maxPicks, decodePick, wrong) {
		f.Picked, _ = f.Picked.with(p)
	}
	f.Rows = eachHidden(v["row"], "picked", maxRows, decodeRow, wrong)
	f.ticked = make(map[int64]bool, len(v["tick"]))
	for _, text := range v["tick"] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || !slices.ContainsFunc(f.Rows, func(r row) bool { return r.ID == id }) {
			wrong.add("picked", "A chosen company is not on this page. Get the companies again.")
			continue
		}
		f.ticked[id] = true
	}
}

// forget drops what belongs to another connection.
func (f *importForm) forget() {
	if f.Listed != nil && f.Listed.Connection == f.Connection {
		return
	}
	if len(f.Picked) > 0 || len(f.ticked) > 0 {
		f.Dropped = "Your choice was cleared because it belonged to another connection."
	}
	if f.Listed != nil {
		f.Page = 1
	}
	f.Listed, f.Rows, f.Picked, f.ticked = nil, nil, nil, nil
}

// turned is the query to list next: another search starts at its first page,
// unless another page was asked for as well.
func (f importForm) turned() listQuery {
	q := f.listQuery
	if f.Listed != nil && q.settled() != f.Listed.settled() && q.Page == f.Listed.Page {
		q.Page = 1
	}
	return q
}

// request is what the engine is asked for.
func (f importForm) request(by string) engine.ImportRequest {
	req := engine.ImportRequest{Connection: f.Connection, RequestedBy: by}
	switch f.Choice {
	case chooseAll:
		req.All = true
	case chooseSearch:
		req.Search = f.Search
	default:
		req.ClientIDs = f.Picked.ids()
	}
	return req
}

// check says what keeps the choice from being imported.
func (f importForm) check(wrong faults) {
	switch {
	case f.Choice == choosePicked && len(f.Picked) == 0:
		wrong.add("choice", "No company is chosen. Select some in the list, or import all.")
	case f.Choice == chooseSearch && f.Search == "":
		wrong.add("search", "Enter a search text, or import all companies.")
	}
}
