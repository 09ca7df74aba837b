package console

import (
	"strconv"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
)

// actMap does what a button says, but for Finish.
func (c *Console) actMap(v *visit, w *mapView, do, arg string) error {
	switch do {
	case "find", "":
		if w.Listed == nil || w.Listed.Search != w.ClientSearch {
			c.listClients(v, w)
		}
	case "find-clients":
		c.listClients(v, w)
	case "find-companies": // the left side is looked up in any case
	case "add":
		return c.addChosen(v, w)
	case "drop":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(w.Pairs) {
			return &problem.InputError{Reason: errGarbled.Error()}
		}
		w.Pairs = append(w.Pairs[:n-1], w.Pairs[n:]...)
		w.Said, w.Focus = "Pair removed.", "pairs"
	case "suggest":
		c.suggest(v, w)
	case "accept", "dismiss":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(w.Offers) {
			return &problem.InputError{Reason: errGarbled.Error()}
		}
		return c.decideOffer(v, w, do, w.Offers[n-1])
	default:
		return &problem.InputError{Reason: errGarbled.Error()}
	}
	return nil
}

// listClients reads the first of Halo's companies that match. A failure leaves
// what was there.
func (c *Console) listClients(v *visit, w *mapView) {
	if w.Wrong["client_search"] != "" {
		return
	}
	page, err := c.engine.Browse(v.r.Context(), v.Tenant, w.Connection, engine.BrowseQuery{Search: w.ClientSearch, PageSize: maxOptions})
	if err != nil {
		f := v.explain(err)
		w.ClientAlert = &f
		return
	}
	chosen := w.rowOf(w.Client)
	rows := make([]row, 0, len(page.Clients)+1)
	for _, client := range page.Clients {
		r := row{ID: client.ID, Name: shorten(client.Name, rowName), Inactive: client.Inactive, Parent: shorten(client.TopLevelName, pickName)}
		if chosen != nil && chosen.ID == r.ID {
			chosen = nil
		}
		rows = append(rows, r)
	}
	if chosen != nil { // it stays chosen though it does not match
		rows = append([]row{*chosen}, rows...)
	}
	w.Rows, w.Listed = rows, &clientList{Search: w.ClientSearch, Total: page.RecordCount}
}

// addChosen puts what is chosen on both sides on the list.
func (c *Console) addChosen(v *visit, w *mapView) error {
	if w.Company == uuid.Nil {
		w.Wrong.add("company", "Choose an existing company here.")
	}
	if w.Client == 0 {
		w.Wrong.add("client", "Choose a Halo PSA company here.")
	}
	if len(w.Wrong) > 0 {
		return nil
	}
	there, err := c.store.CompaniesByID(v.r.Context(), v.Tenant, w.conn.ID, []uuid.UUID{w.Company})
	if err != nil {
		return err
	}
	if _, ok := there[w.Company]; !ok {
		w.Wrong.add("company", "This existing company no longer exists. Choose another one.")
		w.Company = uuid.Nil
		return nil
	}
	if w.add(mapPair{Company: w.Company, Client: w.Client, ClientName: w.rowOf(w.Client).pick().Name}, "pairs", w.Wrong) {
		w.Company, w.Client, w.Said, w.Focus = uuid.Nil, 0, "Pair added.", "company_search"
	}
	return nil
}
