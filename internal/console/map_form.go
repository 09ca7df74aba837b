package console

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/tasks"
)

const (
	maxMapPairs = 200 // pairs in one run
	maxOffers   = 50  // suggestions on the page
	maxOptions  = 20  // companies in a picker
)

// mapPair is a pair on the wizard's list.
type mapPair struct {
	Company    uuid.UUID `json:"company"`
	Client     int64     `json:"client"`
	ClientName string    `json:"client_name"`
	Suggested  bool      `json:"suggested,omitempty"`
}

// Hidden returns p as the value of a hidden field.
func (p mapPair) Hidden() (string, error) { return hidden(p) }

func decodePair(text string) (mapPair, error) {
	var p mapPair
	if err := decodeHidden(text, &p); err != nil {
		return p, err
	}
	p.ClientName = shorten(p.ClientName, pickName)
	if p.Company == uuid.Nil {
		return p, errGarbled
	}
	return p, checkClientID(p.Client)
}

// mapForm is the state of the wizard, which the form carries between requests.
type mapForm struct {
	Connection    string
	CompanySearch string
	ClientSearch  string
	Company       uuid.UUID // chosen on the left; zero for none
	Client        int64     // chosen on the right; 0 for none
	Listed        *clientList
	Rows          []row // rows of Listed
	Pairs         []mapPair
	Replace       bool
}

// clientList describes the list of Halo's companies on the right.
type clientList struct {
	Search string `json:"search,omitempty"`
	Total  int    `json:"total"` // according to Halo; -1 if unknown
}

// Hidden returns l as the value of a hidden field.
func (l clientList) Hidden() (string, error) { return hidden(l) }

// mapFormOf parses the form. It reports every fault and ignores invalid values.
func mapFormOf(v url.Values) (mapForm, faults) {
	wrong := faults{}
	f := mapForm{
		Connection:    strings.TrimSpace(v.Get("connection")),
		CompanySearch: searchOf(v, "company_search", wrong),
		ClientSearch:  searchOf(v, "client_search", wrong),
		Replace:       v.Get("replace") != "",
	}
	f.Rows = eachHidden(v["row"], "client", maxRows, decodeRow, wrong)
	f.Pairs = eachHidden(v["pair"], "pairs", maxMapPairs, decodePair, wrong)
	if text := v.Get("listed"); text != "" {
		f.Listed = new(clientList)
		if err := decodeHidden(text, f.Listed); err != nil {
			wrong.add("client", "%s", sentence(err))
			f.Listed = nil
		}
	}
	f.readChosen(v, wrong)
	return f, wrong
}

// readChosen parses the choices in the two pickers.
func (f *mapForm) readChosen(v url.Values, wrong faults) {
	if text := v.Get("company"); text != "" {
		id, err := uuid.Parse(text)
		if err != nil || id == uuid.Nil {
			wrong.add("company", "Unknown existing company. Choose again.")
		} else {
			f.Company = id
		}
	}
	if text := v.Get("client"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || f.rowOf(id) == nil {
			wrong.add("client", "This Halo PSA company is not on the list. Choose again.")
			return
		}
		f.Client = id
	}
}

// rowOf returns the row of a client in the right picker, or nil if it is not listed.
func (f *mapForm) rowOf(client int64) *row {
	for i := range f.Rows {
		if f.Rows[i].ID == client {
			return &f.Rows[i]
		}
	}
	return nil
}

// contradicts returns the number, counted from 1, of the pair on the list that has the same
// company or client as p. It returns 0 if there is none.
func (f *mapForm) contradicts(p mapPair) int {
	for i, q := range f.Pairs {
		if q.Company == p.Company || q.Client == p.Client {
			return i + 1
		}
	}
	return 0
}

// add adds a pair to the list. If the pair cannot be added, it records a fault and
// returns false.
func (f *mapForm) add(p mapPair, field string, wrong faults) bool {
	n := f.contradicts(p)
	switch {
	case n > 0 && f.Pairs[n-1].Company == p.Company && f.Pairs[n-1].Client == p.Client:
		wrong.add(field, "This pair is already on the list, as pair %d.", n)
	case n > 0 && f.Pairs[n-1].Company == p.Company:
		wrong.add(field, "Pair %d already maps this existing company. Remove that pair first.", n)
	case n > 0:
		wrong.add(field, "Pair %d already maps this Halo PSA company. Remove that pair first.", n)
	case len(f.Pairs) >= maxMapPairs:
		wrong.add(field, "You can map at most %d pairs at a time. Finish these first.", maxMapPairs)
	default:
		f.Pairs = append(f.Pairs, p)
		return true
	}
	return false
}

// request returns the request for the engine, marked as suggested if every pair is an
// accepted suggestion.
func (f *mapForm) request(by string) engine.MapRequest {
	req := engine.MapRequest{Connection: f.Connection, Replace: f.Replace, Suggested: len(f.Pairs) > 0, RequestedBy: by}
	for _, p := range f.Pairs {
		req.Pairs = append(req.Pairs, tasks.Pair{Company: p.Company.String(), ClientID: p.Client})
		req.Suggested = req.Suggested && p.Suggested
	}
	return req
}
