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
	Alert         *failure // error from the suggestions or the request
	ClientAlert   *failure // failure of the right picker
	Message       string   // result of the last action
	Focus         string   // element that gets the focus
	OOB           bool     // htmx swaps the status out of band
	Alone         bool     // htmx replaces only the suggestions
	Offers        *offers
	Unqueued      bool // the queue is unavailable, so the requested suggestions wait
	Companies     []repo.Company
	MoreCompanies bool
	Known         map[uuid.UUID]repo.Company // the companies in pairs, and the chosen company
	Mapped        map[int64]repo.CompanyRef  // by client id, for all clients on the page
	conn          repo.Connection
}

// shownPair is a pair as the page shows it.
type shownPair struct {
	mapPair
	N           int
	CompanyName string
	Gone        bool     // the company no longer exists
	Same        bool     // company and client are already mapped to each other
	Conflicts   []string // mappings that the pair would replace
}

// Picked returns the id of the company chosen on the left, or "" if none is chosen.
func (w *mapView) Picked() string {
	if w.Company == uuid.Nil {
		return ""
	}
	return w.Company.String()
}

// Status returns the text that screen readers announce.
func (w *mapView) Status() string {
	return strings.TrimSpace(w.Message + " " + plural(len(w.Pairs), "pair on the list.", "pairs on the list."))
}

// Shown returns the pairs with their details.
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
		s.Conflicts = append(s.Conflicts, fmt.Sprintf("the existing company is mapped to “%s” (%d)", *company.ClientName, *company.ClientID))
	}
	if held {
		s.Conflicts = append(s.Conflicts, fmt.Sprintf("the Halo PSA company is mapped to “%s”", holder.Name))
	}
	return s
}

// Conflicts returns how many pairs would replace a mapping.
func (w *mapView) Conflicts() (n int) {
	for _, s := range w.Shown() {
		if len(s.Conflicts) > 0 {
			n++
		}
	}
	return n
}

// More reports whether Halo has more companies than the list shows.
func (w *mapView) More() bool {
	return w.Listed != nil && (w.Listed.Total > len(w.Rows) || w.Listed.Total < 0 && len(w.Rows) == maxOptions)
}

// Blocked returns the state of the connection if no suggestions can be computed in it, or
// "".
func (w *mapView) Blocked() repo.ConnectionState {
	if w.conn.State == repo.Active {
		return ""
	}
	return w.conn.State
}

// check adds each reason that prevents the mapping to w.Wrong.
func (w *mapView) check() {
	if len(w.Pairs) == 0 {
		w.Wrong.add("pairs", "No pair yet. Choose an existing company and a Halo PSA company.")
	}
	for _, s := range w.Shown() {
		if s.Gone {
			w.Wrong.add("pairs", "The existing company of pair %d no longer exists. Remove the pair.", s.N)
		}
	}
	if n := w.Conflicts(); n > 0 && !w.Replace {
		w.Wrong.add("replace", "%s mapped elsewhere. Choose to replace the current mappings, or remove the pairs from the list.",
			plural(n, "pair is", "pairs are"))
	}
}

// loadMap reads the data that the page shows but the form does not carry.
func (c *Console) loadMap(ctx context.Context, w *mapView) (err error) {
	if w.conn.ID == uuid.Nil {
		return nil
	}
	companies, clients := []uuid.UUID{w.Company}, []int64{}
	for _, p := range w.Pairs {
		companies, clients = append(companies, p.Company), append(clients, p.Client)
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

// loadCompanies fills the left picker. The chosen company is always included; unmapped
// companies come before mapped ones.
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

// withChosen puts the chosen company first unless it is on the list.
func withChosen(found []repo.Company, chosen repo.Company) []repo.Company {
	for _, company := range found {
		if company.ID == chosen.ID {
			return found
		}
	}
	return append([]repo.Company{chosen}, found...)
}
