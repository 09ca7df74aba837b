package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
)

const mapTitle = "Map existing company"

// mapPage shows the wizard with the first companies of both sides.
func (c *Console) mapPage(v *visit) error {
	query := v.r.URL.Query()
	w := &mapView{Wrong: faults{}}
	w.Connection = strings.TrimSpace(query.Get("connection"))
	w.CompanySearch = searchOf(query, "company_search", w.Wrong)
	w.ClientSearch = searchOf(query, "client_search", w.Wrong)
	if err := c.findMap(v, w); err != nil {
		return err
	}
	if err := c.preselect(v, w, query); err != nil {
		return err
	}
	return c.showMap(v, w)
}

// preselect lists Halo's companies and chooses what another page's link is
// about: an existing company, or a company of Halo's whose name is known here.
func (c *Console) preselect(v *visit, w *mapView, query url.Values) error {
	if text := query.Get("company"); text != "" {
		id, err := uuid.Parse(text)
		if err != nil {
			return errNoPage
		}
		w.Company = id
	}
	if w.conn.ID == uuid.Nil || len(w.Wrong) > 0 {
		return nil
	}
	client := numberOf(query, "client", 0, maxClientID, w.Wrong)
	if client > 0 && w.ClientSearch == "" {
		names, err := c.store.ClientNames(v.r.Context(), v.Tenant, w.conn.ID, []int64{int64(client)})
		if err != nil {
			return err
		}
		w.ClientSearch = searchable(names[int64(client)])
	}
	c.listClients(v, w)
	if w.rowOf(int64(client)) != nil {
		w.Client = int64(client)
	}
	return nil
}

// searchable is a name as a text to search for.
func searchable(name string) string {
	for len(name) > maxSearch {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return strings.TrimSpace(name)
}

// mapAct does what a button of the wizard says.
func (c *Console) mapAct(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	w := &mapView{}
	w.mapForm, w.Wrong = mapFormOf(v.r.PostForm)
	if err := c.findMap(v, w); err != nil {
		return err
	}
	if w.conn.ID == uuid.Nil {
		return &formError{"choose a connection"}
	}
	do, arg, _ := strings.Cut(v.r.PostForm.Get("do"), ":")
	if do == "finish" {
		return c.mapFinish(v, w)
	}
	if err := c.actMap(v, w, do, arg); err != nil {
		return err
	}
	return c.showMap(v, w)
}

func (c *Console) findMap(v *visit, w *mapView) (err error) {
	w.Connections, w.conn, err = c.connectionOf(v, w.Connection)
	if w.conn.ID != uuid.Nil {
		w.Connection = w.conn.ID.String()
	}
	return err
}

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
			return &formError{errGarbled.Error()}
		}
		w.Pairs = append(w.Pairs[:n-1], w.Pairs[n:]...)
		w.Said, w.Focus = "Pair removed.", "pairs"
	case "suggest":
		c.suggest(v, w)
	case "accept", "dismiss":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(w.Offers) {
			return &formError{errGarbled.Error()}
		}
		return c.decideOffer(v, w, do, w.Offers[n-1])
	default:
		return &formError{errGarbled.Error()}
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
		w.Wrong.add("company", "This existing company does not exist any more: choose another one.")
		w.Company = uuid.Nil
		return nil
	}
	if w.add(mapPair{Company: w.Company, Client: w.Client, ClientName: w.rowOf(w.Client).pick().Name}, "pairs", w.Wrong) {
		w.Company, w.Client, w.Said, w.Focus = uuid.Nil, 0, "Pair added.", "company_search"
	}
	return nil
}

// mapFinish starts the mapping of all pairs, with the one that is chosen.
func (c *Console) mapFinish(v *visit, w *mapView) error {
	if w.Company != uuid.Nil && w.Client != 0 {
		if err := c.addChosen(v, w); err != nil {
			return err
		}
		w.Focus = ""
	}
	if err := c.loadMap(v.r.Context(), w); err != nil {
		return err
	}
	if w.check(); len(w.Wrong) > 0 {
		return c.showMap(v, w)
	}
	receipt, err := c.engine.RequestMap(v.r.Context(), v.Tenant, w.request(v.Actor))
	if err != nil {
		f := v.explain(err)
		w.Alert = &f
		return c.showMap(v, w)
	}
	return v.redirect("/runs/"+receipt.RunID, requested(receipt, "mapping"))
}

// showMap answers with the wizard, or with the part of it that htmx wants.
func (c *Console) showMap(v *visit, w *mapView) error {
	if err := c.loadMap(v.r.Context(), w); err != nil {
		return err
	}
	status := http.StatusOK
	switch {
	case w.Alert != nil:
		status = w.Alert.Status
	case w.ClientAlert != nil:
		status = w.ClientAlert.Status
	case len(w.Wrong) > 0:
		status = http.StatusUnprocessableEntity
	}
	if !v.htmx() {
		return v.show(status, "map", page{Title: mapTitle, Nav: "/map", Data: w})
	}
	w.OOB = true
	block := v.r.Header.Get("HX-Target")
	if block != "company-options" && block != "client-options" {
		block = "wizard"
	}
	return v.fragment(status, "map", block, w)
}
