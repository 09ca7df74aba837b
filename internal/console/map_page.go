package console

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
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
			return problem.ErrNoPage
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
		return &problem.InputError{Reason: "Choose a connection."}
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
