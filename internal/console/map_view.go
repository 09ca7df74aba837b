package console

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// mapView is the wizard that maps existing companies.
type mapView struct {
	mapForm
	Connections   []repo.Connection
	Wrong         faults
	Alert         *failure // of suggestions and of the request
	ClientAlert   *failure // of the right picker
	Said          string   // what has just happened
	Focus         string   // the element that gets the focus
	OOB           bool     // the status goes into the element that is there
	Notices       []string // of suggestions
	Companies     []repo.Company
	MoreCompanies bool
	Known         map[uuid.UUID]repo.Company // those of pairs, offers and the choice
	Mapped        map[int64]repo.CompanyRef  // of all clients on the page
	conn          repo.Connection
}

// shownPair is a pair as the page shows it.
type shownPair struct {
	mapPair
	N           int
	CompanyName string
	Gone        bool     // the company does not exist any more
	Same        bool     // the two are mapped to each other already
	InWay       []string // what mapping them replaces
}

// Picked is the company that is chosen on the left, as an address has it;
// empty: none.
func (w *mapView) Picked() string {
	if w.Company == uuid.Nil {
		return ""
	}
	return w.Company.String()
}

// Status is what a screen reader is told.
func (w *mapView) Status() string {
	return strings.TrimSpace(w.Said + " " + plural(len(w.Pairs), "pair on the list.", "pairs on the list."))
}

// Shown are the pairs with what is known of them.
func (w *mapView) Shown() []shownPair {
	shown := make([]shownPair, len(w.Pairs))
	for i, p := range w.Pairs {
		shown[i] = w.shown(i+1, p)
	}
	return shown
}

func (w *mapView) shown(n int, p mapPair) shownPair {
	company, there := w.Known[p.Company]
	s := shownPair{mapPair: p, N: n, CompanyName: company.Name, Gone: !there}
	holder, held := w.Mapped[p.Client]
	if s.Same = held && holder.ID == p.Company; s.Same {
		return s
	}
	if company.ClientID != nil {
		s.InWay = append(s.InWay, fmt.Sprintf("the existing company is mapped to “%s” (%d)", *company.ClientName, *company.ClientID))
	}
	if held {
		s.InWay = append(s.InWay, fmt.Sprintf("the Halo PSA company is mapped to “%s”", holder.Name))
	}
	return s
}

// InWay is how many pairs replace something.
func (w *mapView) InWay() (n int) {
	for _, s := range w.Shown() {
		if len(s.InWay) > 0 {
			n++
		}
	}
	return n
}

// More says that Halo has more than the list shows.
func (w *mapView) More() bool {
	return w.Listed != nil && (w.Listed.Total > len(w.Rows) || w.Listed.Total < 0 && len(w.Rows) == maxOptions)
}

// check says what keeps the pairs from being mapped.
func (w *mapView) check() {
	if len(w.Pairs) == 0 {
		w.Wrong.add("pairs", "No pair yet. Choose an existing company and a Halo PSA company.")
	}
	for _, s := range w.Shown() {
		if s.Gone {
			w.Wrong.add("pairs", "The existing company of pair %d no longer exists. Remove the pair.", s.N)
		}
	}
	if n := w.InWay(); n > 0 && !w.Replace {
		w.Wrong.add("replace", "%s mapped elsewhere. Choose to replace the current mappings, or remove the pairs from the list.",
			plural(n, "pair is", "pairs are"))
	}
}

// load looks up what the page shows beside what it remembers.
func (c *Console) loadMap(ctx context.Context, w *mapView) (err error) {
	if w.conn.ID == uuid.Nil {
		return nil
	}
	companies, clients := []uuid.UUID{w.Company}, []int64{}
	for _, p := range w.Pairs {
		companies, clients = append(companies, p.Company), append(clients, p.Client)
	}
	for _, o := range w.Offers {
		companies, clients = append(companies, o.Company), append(clients, o.Client)
	}
	for _, r := range w.Rows {
		clients = append(clients, r.ID)
	}
	if w.Known, err = c.store.CompaniesByID(ctx, w.conn.Tenant, w.conn.ID, companies); err != nil {
		return err
	}
	if w.Mapped, err = c.store.ClientsMapped(ctx, w.conn.Tenant, w.conn.ID, clients); err != nil {
		return err
	}
	return c.loadCompanies(ctx, w)
}

// loadCompanies fills the left picker: the unmapped ones first, and the one
// that is chosen whatever the search.
func (c *Console) loadCompanies(ctx context.Context, w *mapView) error {
	found, err := c.store.PickCompanies(ctx, w.conn.Tenant, w.conn.ID, w.CompanySearch, maxOptions+1)
	if err != nil {
		return err
	}
	if len(found) > maxOptions {
		found, w.MoreCompanies = found[:maxOptions], true
	}
	if chosen, ok := w.Known[w.Company]; ok {
		found = withChosen(found, chosen)
	} else if w.Company != uuid.Nil {
		w.Company = uuid.Nil
		w.Wrong.add("company", "This existing company no longer exists. Choose another one.")
	}
	w.Companies = found
	return nil
}

// withChosen puts the chosen company in front, unless it is there.
func withChosen(found []repo.Company, chosen repo.Company) []repo.Company {
	for _, company := range found {
		if company.ID == chosen.ID {
			return found
		}
	}
	return append([]repo.Company{chosen}, found...)
}

// Number is the number of a row, from 1.
func (w *mapView) Number(i int) int { return i + 1 }
