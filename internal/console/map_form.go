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
	maxMapPairs = 200 // which are mapped while somebody waits
	maxOffers   = 50
	maxOptions  = 20 // of a picker
	reasonText  = 200
)

// mapPair is a pair that was added to the list.
type mapPair struct {
	Company    uuid.UUID `json:"company"`
	Client     int64     `json:"client"`
	ClientName string    `json:"client_name"`
	Suggested  bool      `json:"suggested,omitempty"`
}

// Hidden is the field that carries p.
func (p mapPair) Hidden() (string, error) { return hidden(p) }

// offer is a suggestion that nobody has decided on yet.
type offer struct {
	Company    uuid.UUID `json:"company"`
	Client     int64     `json:"client"`
	ClientName string    `json:"client_name"`
	Score      int       `json:"score"` // in hundredths
	Reason     string    `json:"reason"`
	Ambiguous  bool      `json:"ambiguous,omitempty"`
}

// Hidden is the field that carries o.
func (o offer) Hidden() (string, error) { return hidden(o) }

func (o offer) pair() mapPair {
	return mapPair{Company: o.Company, Client: o.Client, ClientName: o.ClientName, Suggested: true}
}

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

func decodeOffer(text string) (offer, error) {
	var o offer
	if err := decodeHidden(text, &o); err != nil {
		return o, err
	}
	o.ClientName, o.Reason = shorten(o.ClientName, pickName), shorten(o.Reason, reasonText)
	if o.Company == uuid.Nil || o.Score < 0 || o.Score > 100 {
		return o, errGarbled
	}
	return o, checkClientID(o.Client)
}

// mapForm is all that the wizard knows: the page carries it from one request
// to the next.
type mapForm struct {
	Connection    string
	CompanySearch string
	ClientSearch  string
	Company       uuid.UUID // chosen on the left; zero: none
	Client        int64     // chosen on the right; 0: none
	Listed        *clientList
	Rows          []row // of Listed
	Pairs         []mapPair
	Offers        []offer
	Offered       bool // suggestions were asked for
	Replace       bool
}

// clientList is which of Halo's companies are on the right.
type clientList struct {
	Search string `json:"search,omitempty"`
	Total  int    `json:"total"` // by Halo's count; -1: it did not say
}

// Hidden is the field that carries l.
func (l clientList) Hidden() (string, error) { return hidden(l) }

// mapFormOf reads what the browser sent. All faults are found; what is at
// fault is left out.
func mapFormOf(v url.Values) (mapForm, faults) {
	wrong := faults{}
	f := mapForm{
		Connection:    strings.TrimSpace(v.Get("connection")),
		CompanySearch: searchOf(v, "company_search", wrong),
		ClientSearch:  searchOf(v, "client_search", wrong),
		Offered:       v.Get("offered") != "",
		Replace:       v.Get("replace") != "",
	}
	f.Rows = eachHidden(v["row"], "client", maxRows, decodeRow, wrong)
	f.Pairs = eachHidden(v["pair"], "pairs", maxMapPairs, decodePair, wrong)
	f.Offers = eachHidden(v["offer"], "offers", maxOffers, decodeOffer, wrong)
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

// readChosen reads what is chosen in the two pickers.
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

// rowOf is a row of the right picker.
func (f *mapForm) rowOf(client int64) *row {
	for i := range f.Rows {
		if f.Rows[i].ID == client {
			return &f.Rows[i]
		}
	}
	return nil
}

// contradicts says which pair of the list is about the company or the client
// already: its number from 1; 0: none.
func (f *mapForm) contradicts(p mapPair) int {
	for i, q := range f.Pairs {
		if q.Company == p.Company || q.Client == p.Client {
			return i + 1
		}
	}
	return 0
}

// add puts a pair on the list.
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

// request is what the engine is asked for. A list of accepted suggestions
// alone is recorded as such; one pair by hand makes it a list by hand.
func (f *mapForm) request(by string) engine.MapRequest {
	req := engine.MapRequest{Connection: f.Connection, Replace: f.Replace, Suggested: len(f.Pairs) > 0, RequestedBy: by}
	for _, p := range f.Pairs {
		req.Pairs = append(req.Pairs, tasks.Pair{Company: p.Company.String(), ClientID: p.Client})
		req.Suggested = req.Suggested && p.Suggested
	}
	return req
}
