package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

const importTitle = "Import companies"

// importView is the first step of the wizard, in which the user chooses companies.
type importView struct {
	importForm
	Connections []repo.Connection
	Wrong       faults
	Alert       *failure
	Mapped      map[int64]repo.CompanyRef // by client id: the company that a row is mapped to
	Message     string                    // result of the last action
	Focus       string                    // element that keeps the focus
	OOB         bool                      // htmx swaps the status out of band
	conn        repo.Connection
}

// Can reports whether the user can choose a row.
func (w *importView) Can(r row) bool { _, mapped := w.Mapped[r.ID]; return !mapped }

// Has reports whether a row is in the selection.
func (w *importView) Has(r row) bool { return w.Picked.Has(r.ID) }

// Sizes returns the page sizes to choose from.
func (w *importView) Sizes() []int {
	sizes := []int{10, 20, 25, 50, 100}
	if i, there := slices.BinarySearch(sizes, w.PageSize); !there {
		sizes = slices.Insert(sizes, i, w.PageSize)
	}
	return sizes
}

// Status returns the text that screen readers announce.
func (w *importView) Status() string {
	return strings.TrimSpace(w.Message + " " + plural(len(w.Picked), "company chosen.", "companies chosen."))
}

// importPage shows the wizard with the list for the query in the URL.
func (c *Console) importPage(r *request) error {
	w := &importView{Wrong: faults{}}
	query := r.URL.Query()
	w.listQuery = listQueryOf(query, w.Wrong)
	w.Choice = choiceOf(query, w.Wrong)
	if err := c.findImport(r, w); err != nil {
		return err
	}
	if w.conn.ID.String() == w.Connection && (query.Has("search") || query.Has("page") || query.Has("page_size")) {
		c.list(r, w, w.listQuery)
	}
	return c.showImport(r, w)
}

// importPick updates the selection and executes the action of the pressed button.
func (c *Console) importPick(r *request) error {
	w, err := c.importOf(r)
	if err != nil {
		return err
	}
	if err := c.actImport(r, w, r.PostForm.Get("do")); err != nil {
		return err
	}
	return c.showImport(r, w)
}

// importOf parses the form and merges the ticked rows into the selection.
func (c *Console) importOf(r *request) (*importView, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	w := &importView{}
	w.importForm, w.Wrong = importFormOf(r.PostForm)
	if err := c.findImport(r, w); err != nil {
		return nil, err
	}
	if w.conn.ID.String() != w.Connection {
		w.Wrong.add("connection", "Choose a connection.")
	}
	if err := c.readMapped(r, w); err != nil {
		return nil, err
	}
	w.tick(w.ticked)
	return w, nil
}

func (w *importView) tick(ticked map[int64]bool) {
	var left int
	if w.Picked, left = w.Picked.merge(w.Rows, ticked, w.Can); left > 0 {
		w.Wrong.add("picked", "You can choose at most %s companies one by one; %s left out. Import these first, or import all that match a search.",
			count(maxPicks), plural(left, "was", "were"))
	}
}

// findImport reads the connections and selects the one that the form names. Without a
// name it selects the only connection, or none if there are several. It returns an error
// for an unknown connection.
func (c *Console) findImport(r *request, w *importView) (err error) {
	w.Connections, w.conn, err = c.connectionOf(r, w.Connection)
	if err == nil && w.Connection == "" && len(w.Connections) == 1 {
		w.Connection = w.conn.ID.String()
	}
	return err
}

// connectionOf returns the tenant's connections and the connection whose id is ref. If ref
// is empty, it selects the only connection.
func (c *Console) connectionOf(r *request, ref string) ([]repo.Connection, repo.Connection, error) {
	all, err := c.store.Connections(r.Context(), r.Tenant)
	if err != nil {
		return nil, repo.Connection{}, err
	}
	for _, conn := range all {
		if conn.ID.String() == ref || ref == "" && len(all) == 1 {
			return all, conn, nil
		}
	}
	if ref != "" {
		return nil, repo.Connection{}, &engine.NotFoundError{What: "connection", Name: ref}
	}
	return all, repo.Connection{}, nil
}

func (c *Console) readMapped(r *request, w *importView) (err error) {
	if len(w.Rows) == 0 {
		return nil
	}
	ids := make([]int64, len(w.Rows))
	for i, shown := range w.Rows {
		ids[i] = shown.ID
	}
	w.Mapped, err = c.store.ClientsMapped(r.Context(), r.Tenant, w.conn.ID, ids)
	return err
}

// plain reports whether a URL can hold the whole state. This is the case for a list
// without a selection.
func (w *importView) plain() bool { return len(w.Picked) == 0 && w.Choice == choosePicked }

// showImport answers with the wizard. A list without a selection has its own URL, which
// can be bookmarked.
func (c *Console) showImport(r *request, w *importView) error {
	status := http.StatusOK
	switch {
	case w.Alert != nil:
		status = w.Alert.Status
	case len(w.Wrong) > 0:
		status = http.StatusUnprocessableEntity
	case w.Listed == nil:
	case r.htmx():
		r.w.Header().Set("HX-Replace-Url", w.Listed.path())
	case w.plain() && r.PostForm.Get("do") == "list":
		return r.redirect(w.Listed.path(), nil)
	}
	if block := r.Header.Get("HX-Target"); r.htmx() {
		w.OOB = true
		if block == "chosen" {
			block = "chosen-alone"
		} else {
			block = "wizard"
		}
		return r.fragment(status, "import", block, w)
	}
	return r.show(status, "import", page{Title: importTitle, Nav: "/import", Data: w})
}

// actImport executes the action of the pressed button.
func (c *Console) actImport(r *request, w *importView, do string) error {
	do, arg, _ := strings.Cut(do, ":")
	switch do {
	case "list", "":
		if len(w.Wrong) == 0 {
			c.list(r, w, w.turned())
		}
	case "page":
		page, err := strconv.Atoi(arg)
		if err != nil || page < 1 || page > maxPage || w.Listed == nil {
			return errGarbled
		}
		q := w.Listed.listQuery
		q.Page = page
		c.list(r, w, q)
	case "tick": // importOf has merged the rows
	case "tick-all":
		all := make(map[int64]bool, len(w.Rows))
		for _, shown := range w.Rows {
			all[shown.ID] = true
		}
		w.tick(all)
		w.Focus = "tick-all"
	case "untick-all":
		w.tick(nil)
		w.Focus = "tick-all"
	case "remove":
		w.remove(arg)
	case "clear":
		w.Picked, w.Focus, w.Message = nil, "chosen-list", "Choice cleared."
	case "back":
		return c.cancelPreview(r)
	default:
		return errGarbled
	}
	return nil
}

func (w *importView) remove(arg string) {
	id, _ := strconv.ParseInt(arg, 10, 64) // 0 if invalid; no company has the id 0
	if i := w.Picked.at(id); i >= 0 {
		w.Message = w.Picked[i].Name + " removed."
	}
	w.Picked, w.Focus = w.Picked.without(id), "chosen-list"
}

// list reads a page of Halo's companies. On failure the wizard keeps the old list.
func (c *Console) list(r *request, w *importView, q listQuery) {
	if len(w.Wrong) > 0 {
		return
	}
	page, err := c.engine.Browse(r.Context(), r.Tenant, w.conn.ID.String(), engine.BrowseQuery{
		Search: q.Search, IncludeInactive: q.Inactive, Page: q.Page, PageSize: q.PageSize,
	})
	if err != nil {
		w.Alert = r.explain(err)
		return
	}
	found := &listing{listQuery: q, Total: page.RecordCount}
	if n := found.PageCount(); n > 0 && q.Page > n {
		w.Wrong.add("page", "The list has only %s.", plural(n, "page", "pages"))
		return
	}
	w.listQuery, w.Listed = q, found
	w.Rows, w.Mapped = nil, map[int64]repo.CompanyRef{}
	for _, client := range page.Clients {
		w.Rows = append(w.Rows, rowOf(client))
		if client.Company != nil {
			w.Mapped[client.ID] = *client.Company
		}
	}
}
