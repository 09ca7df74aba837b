package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/engine"
)

// Values of the form field "choice".
const (
	choosePicked = "picked" // the companies chosen one by one
	chooseSearch = "search" // all companies that match the search
	chooseAll    = "all"
)

const (
	maxSearch   = 200 // bytes
	maxPage     = 1_000_000
	defaultSize = 50
	maxPageSize = 100
)

// listQuery contains the values of the search fields.
type listQuery struct {
	Connection string `json:"connection"` // id
	Search     string `json:"search,omitempty"`
	Page       int    `json:"page"`
	PageSize   int    `json:"page_size"`
	Inactive   bool   `json:"inactive,omitempty"`
}

// values returns the URL query of this list.
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

// settled returns q without the page number. Two queries are for the same list if their
// settled values are equal.
func (q listQuery) settled() listQuery { q.Page = 0; return q }

// listing describes the page of Halo's companies that the wizard shows.
type listing struct {
	listQuery
	Total int `json:"total"` // according to Halo; -1 if unknown
}

// Hidden returns l as the value of a hidden field.
func (l listing) Hidden() (string, error) { return hidden(l) }

// PageCount returns the number of pages, or 0 if it is unknown.
func (l listing) PageCount() int {
	if l.Total < 0 || l.PageSize < 1 {
		return 0
	}
	return max(1, (l.Total+l.PageSize-1)/l.PageSize)
}

// Back returns the number of the previous page, or 0 on the first page.
func (l listing) Back() int { return l.Page - 1 }

// Further returns the number of the next page, or 0 on the last page.
func (l listing) Further() int {
	if n := l.PageCount(); n == 0 || l.Page >= n {
		return 0
	}
	return l.Page + 1
}

// importForm is the state of the wizard, which the form carries between requests.
type importForm struct {
	listQuery
	Choice  string
	Picked  picks
	Listed  *listing // nil before the first list
	Rows    []row    // rows of Listed
	ticked  map[int64]bool
	Dropped string // why the selection was cleared
}

// importFormOf parses the form. It reports every fault and resets invalid fields to their
// defaults.
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

// readHidden parses the hidden fields.
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

// forget clears the selection and the list if they belong to another connection.
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

// turned returns the query for the next list. A new search starts at the first page unless
// the user also changed the page number.
func (f importForm) turned() listQuery {
	q := f.listQuery
	if f.Listed != nil && q.settled() != f.Listed.settled() && q.Page == f.Listed.Page {
		q.Page = 1
	}
	return q
}

// request returns the request for the engine.
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

// check adds each reason that prevents the import to the map wrong.
func (f importForm) check(wrong faults) {
	switch {
	case f.Choice == choosePicked && len(f.Picked) == 0:
		wrong.add("choice", "No company is chosen. Select some in the list, or import all.")
	case f.Choice == chooseSearch && f.Search == "":
		wrong.add("search", "Enter a search text, or import all companies.")
	}
}
