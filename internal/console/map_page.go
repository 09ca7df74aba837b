package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
)

const mapTitle = "Map existing company"

// mapPage shows the wizard with the first companies on both sides.
func (c *Console) mapPage(r *request) error {
	query := r.URL.Query()
	w := &mapView{Wrong: faults{}}
	w.Connection = strings.TrimSpace(query.Get("connection"))
	w.CompanySearch = searchOf(query, "company_search", w.Wrong)
	w.ClientSearch = searchOf(query, "client_search", w.Wrong)
	if err := c.findMap(r, w); err != nil {
		return err
	}
	if err := c.preselect(r, w, query); err != nil {
		return err
	}
	return c.showMap(r, w)
}

// preselect lists Halo's companies and chooses the company that the URL names: an
// existing company, or a Halo company whose name is known.
func (c *Console) preselect(r *request, w *mapView, query url.Values) error {
	if text := query.Get("company"); text != "" {
		id, err := uuid.Parse(text)
		if err != nil {
			return problem.ErrNoPage
		}
		w.Company = id
	}
	if w.conn.ID == uuid.Nil || len(w.Wrong) > 0 {
		return nil
	}
	client := numberOf(query, "client", 0, maxClientID, w.Wrong)
	if client > 0 && w.ClientSearch == "" {
		names, err := c.store.ClientNames(r.Context(), r.Tenant, w.conn.ID, []int64{int64(client)})
		if err != nil {
			return err
		}
		w.ClientSearch = searchable(names[int64(client)])
	}
	c.listClients(r, w)
	if w.rowOf(int64(client)) != nil {
		w.Client = int64(client)
	}
	return nil
}

// searchable cuts a name to the maximum length of a search text.
func searchable(name string) string {
	for len(name) > maxSearch {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return strings.TrimSpace(name)
}

// mapAct executes the action of the pressed button and shows the wizard.
func (c *Console) mapAct(r *request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	w := &mapView{}
	w.mapForm, w.Wrong = mapFormOf(r.PostForm)
	if err := c.findMap(r, w); err != nil {
		return err
	}
	if w.conn.ID == uuid.Nil {
		return &problem.InputError{Reason: "Choose a connection."}
	}
	do, arg, _ := strings.Cut(r.PostForm.Get("do"), ":")
	if do == "finish" {
		return c.mapFinish(r, w)
	}
	if err := c.actMap(r, w, do, arg); err != nil {
		return err
	}
	return c.showMap(r, w)
}

func (c *Console) findMap(r *request, w *mapView) (err error) {
	w.Connections, w.conn, err = c.connectionOf(r, w.Connection)
	if w.conn.ID != uuid.Nil {
		w.Connection = w.conn.ID.String()
	}
	return err
}

// mapFinish requests a run that maps all pairs, including the chosen one.
func (c *Console) mapFinish(r *request, w *mapView) error {
	if w.Company != uuid.Nil && w.Client != 0 {
		if err := c.addChosen(r, w); err != nil {
			return err
		}
		w.Focus = ""
	}
	if err := c.loadMap(r.Context(), w); err != nil {
		return err
	}
	if w.check(); len(w.Wrong) > 0 {
		return c.showMap(r, w)
	}
	receipt, err := c.engine.RequestMap(r.Context(), r.Tenant, w.request(r.Actor))
	if err != nil {
		w.Alert = r.explain(err)
		return c.showMap(r, w)
	}
	return r.redirect("/runs/"+receipt.RunID, receiptFlash(receipt, ""))
}

// mapParts are the parts of the wizard that htmx replaces alone.
var mapParts = []string{"company-options", "client-options", "suggestions"}

// showMap answers with the wizard, or only with the part that htmx requests.
func (c *Console) showMap(r *request, w *mapView) error {
	block := "wizard"
	if at := r.Header.Get("HX-Target"); r.htmx() && slices.Contains(mapParts, at) {
		block = at
	}
	w.Alone = block == "suggestions"
	if err := c.loadMap(r.Context(), w); err != nil {
		return err
	}
	if w.conn.ID != uuid.Nil && (block == "wizard" || block == "suggestions") {
		if err := c.loadOffers(r.Context(), w); err != nil {
			return err
		}
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
	if !r.htmx() {
		return r.show(status, "map", page{Title: mapTitle, Nav: "/map", Data: w})
	}
	w.OOB = true
	return r.fragment(status, "map", block, w)
}

// actMap executes the action of any button except Finish.
func (c *Console) actMap(r *request, w *mapView, do, arg string) error {
	switch do {
	case "find", "":
		if w.Listed == nil || w.Listed.Search != w.ClientSearch {
			c.listClients(r, w)
		}
	case "find-clients":
		c.listClients(r, w)
	case "find-companies": // loadMap always reads the left side
	case "add":
		return c.addChosen(r, w)
	case "drop":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(w.Pairs) {
			return errGarbled
		}
		w.Pairs = append(w.Pairs[:n-1], w.Pairs[n:]...)
		w.Message, w.Focus = "Pair removed.", "pairs"
	case "suggest":
		c.requestOffers(r, w)
	case "suggestions": // see whether they have been computed
		if err := c.loadOffers(r.Context(), w); err != nil {
			return err
		}
		w.Message, w.Focus = w.Offers.Message(), "offers"
	case "accept", "dismiss":
		return c.decideOffer(r, w, do, arg)
	default:
		return errGarbled
	}
	return nil
}

// listClients reads the first clients in Halo that match the search. On failure the
// wizard keeps the old list.
func (c *Console) listClients(r *request, w *mapView) {
	if w.Wrong["client_search"] != "" {
		return
	}
	page, err := c.engine.Browse(r.Context(), r.Tenant, w.Connection, engine.BrowseQuery{Search: w.ClientSearch, PageSize: maxOptions})
	if err != nil {
		w.ClientAlert = r.explain(err)
		return
	}
	chosen := w.rowOf(w.Client)
	rows := make([]row, 0, len(page.Clients)+1)
	for _, client := range page.Clients {
		shown := rowOf(client)
		if chosen != nil && chosen.ID == shown.ID {
			chosen = nil
		}
		rows = append(rows, shown)
	}
	if chosen != nil { // a chosen company stays chosen even if it does not match the search
		rows = append([]row{*chosen}, rows...)
	}
	w.Rows, w.Listed = rows, &clientList{Search: w.ClientSearch, Total: page.RecordCount}
}

// addChosen adds the chosen pair to the list.
func (c *Console) addChosen(r *request, w *mapView) error {
	if w.Company == uuid.Nil {
		w.Wrong.add("company", "Choose an existing company here.")
	}
	if w.Client == 0 {
		w.Wrong.add("client", "Choose a Halo PSA company here.")
	}
	if len(w.Wrong) > 0 {
		return nil
	}
	there, err := c.store.CompaniesByID(r.Context(), r.Tenant, w.conn.ID, []uuid.UUID{w.Company})
	if err != nil {
		return err
	}
	if _, ok := there[w.Company]; !ok {
		w.Wrong.add("company", "This existing company no longer exists. Choose another one.")
		w.Company = uuid.Nil
		return nil
	}
	if w.add(mapPair{Company: w.Company, Client: w.Client, ClientName: w.rowOf(w.Client).pick().Name}, "pairs", w.Wrong) {
		w.Company, w.Client, w.Message, w.Focus = uuid.Nil, 0, "Pair added.", "company_search"
	}
	return nil
}
