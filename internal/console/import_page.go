package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

const importTitle = "Import companies"

// importView is the first step of the wizard, where companies are chosen.
type importView struct {
	importForm
	Connections []repo.Connection
	Wrong       faults
	Alert       *failure
	Mapped      map[int64]repo.CompanyRef // the rows that are mapped already, and to what
	Said        string                    // what has just happened
	Focus       string                    // the element that goes on having the focus
	OOB         bool                      // the status goes into the element that is there
	conn        repo.Connection
}

// Can says whether a row can be chosen.
func (w *importView) Can(r row) bool { _, mapped := w.Mapped[r.ID]; return !mapped }

// Has says whether a row is chosen.
func (w *importView) Has(r row) bool { return w.Picked.Has(r.ID) }

// Sizes are the page sizes to choose from.
func (w *importView) Sizes() []int {
	sizes := []int{10, 20, 25, 50, 100}
	if i, there := slices.BinarySearch(sizes, w.PageSize); !there {
		sizes = slices.Insert(sizes, i, w.PageSize)
	}
	return sizes
}

// Status is what a screen reader is told.
func (w *importView) Status() string {
	return strings.TrimSpace(w.Said + " " + plural(len(w.Picked), "company chosen.", "companies chosen."))
}

// importPage shows the wizard, and the companies that the address asks for.
func (c *Console) importPage(v *visit) error {
	w := &importView{Wrong: faults{}}
	query := v.r.URL.Query()
	w.listQuery = listQueryOf(query, w.Wrong)
	w.Choice = choiceOf(query, w.Wrong)
	if err := c.findImport(v, w); err != nil {
		return err
	}
	if w.conn.ID.String() == w.Connection && (query.Has("search") || query.Has("page") || query.Has("page_size")) {
		c.list(v, w, w.listQuery)
	}
	return c.showImport(v, w)
}

// importPick takes over what was ticked and does what the button says.
func (c *Console) importPick(v *visit) error {
	w, err := c.importOf(v)
	if err != nil {
		return err
	}
	if err := c.actImport(v, w, v.r.PostForm.Get("do")); err != nil {
		return err
	}
	return c.showImport(v, w)
}

// importOf reads the form and merges what was ticked into what was chosen
// before.
func (c *Console) importOf(v *visit) (*importView, error) {
	if err := v.r.ParseForm(); err != nil {
		return nil, err
	}
	w := &importView{}
	w.importForm, w.Wrong = importFormOf(v.r.PostForm)
	if err := c.findImport(v, w); err != nil {
		return nil, err
	}
	if w.conn.ID.String() != w.Connection {
		w.Wrong.add("connection", "Choose a connection.")
	}
	if err := c.readMapped(v, w); err != nil {
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

// findImport reads the connections. One that the tenant does not have is an
// error; none at all is a choice still to be made, unless there is one only.
func (c *Console) findImport(v *visit, w *importView) (err error) {
	w.Connections, w.conn, err = c.connectionOf(v, w.Connection)
	if err == nil && w.Connection == "" && len(w.Connections) == 1 {
		w.Connection = w.conn.ID.String()
	}
	return err
}

// connectionOf reads the tenant's connections and finds the one asked for, or
// the only one.
func (c *Console) connectionOf(v *visit, ref string) ([]repo.Connection, repo.Connection, error) {
	all, err := c.store.Connections(v.r.Context(), v.Tenant)
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

func (c *Console) readMapped(v *visit, w *importView) (err error) {
	if len(w.Rows) == 0 {
		return nil
	}
	ids := make([]int64, len(w.Rows))
	for i, r := range w.Rows {
		ids[i] = r.ID
	}
	w.Mapped, err = c.store.ClientsMapped(v.r.Context(), v.Tenant, w.conn.ID, ids)
	return err
}

// plain says that an address tells all there is: a list, and no choice.
func (w *importView) plain() bool { return len(w.Picked) == 0 && w.Choice == choosePicked }

// showImport answers with the wizard. A list without a choice has an address
// of its own, which can be bookmarked.
func (c *Console) showImport(v *visit, w *importView) error {
	status := http.StatusOK
	switch {
	case w.Alert != nil:
		status = w.Alert.Status
	case len(w.Wrong) > 0:
		status = http.StatusUnprocessableEntity
	case w.Listed == nil:
	case v.htmx():
		v.w.Header().Set("HX-Replace-Url", w.Listed.path())
	case w.plain() && v.r.PostForm.Get("do") == "list":
		return v.redirect(w.Listed.path(), nil)
	}
	if block := v.r.Header.Get("HX-Target"); v.htmx() {
		w.OOB = true
		if block == "chosen" {
			block = "chosen-alone"
		} else {
			block = "wizard"
		}
		return v.fragment(status, "import", block, w)
	}
	return v.show(status, "import", page{Title: importTitle, Nav: "/import", Data: w})
}
