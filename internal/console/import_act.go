package console

import (
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// actImport does what a button says.
func (c *Console) actImport(v *visit, w *importView, do string) error {
	do, arg, _ := strings.Cut(do, ":")
	switch do {
	case "list", "":
		if len(w.Wrong) == 0 {
			c.list(v, w, w.turned())
		}
	case "page":
		page, err := strconv.Atoi(arg)
		if err != nil || page < 1 || page > maxPage || w.Listed == nil {
			return &problem.InputError{Reason: errGarbled.Error()}
		}
		q := w.Listed.listQuery
		q.Page = page
		c.list(v, w, q)
	case "tick": // as the form says
	case "tick-all":
		all := make(map[int64]bool, len(w.Rows))
		for _, r := range w.Rows {
			all[r.ID] = true
		}
		w.tick(all)
		w.Focus = "tick-all"
	case "untick-all":
		w.tick(nil)
		w.Focus = "tick-all"
	case "remove":
		w.remove(arg)
	case "clear":
		w.Picked, w.Focus, w.Said = nil, "chosen-list", "Choice cleared."
	case "back":
		return c.cancelPreview(v)
	default:
		return &problem.InputError{Reason: errGarbled.Error()}
	}
	return nil
}

func (w *importView) remove(arg string) {
	id, _ := strconv.ParseInt(arg, 10, 64) // 0, which is nobody's, if it is none
	if i := w.Picked.at(id); i >= 0 {
		w.Said = w.Picked[i].Name + " removed."
	}
	w.Picked, w.Focus = w.Picked.without(id), "chosen-list"
}

// list reads a page of Halo's companies. A failure leaves what was there.
func (c *Console) list(v *visit, w *importView, q listQuery) {
	if len(w.Wrong) > 0 {
		return
	}
	page, err := c.engine.Browse(v.r.Context(), v.Tenant, w.conn.ID.String(), engine.BrowseQuery{
		Search: q.Search, IncludeInactive: q.Inactive, Page: q.Page, PageSize: q.PageSize,
	})
	if err != nil {
		f := v.explain(err)
		w.Alert = &f
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
		w.Rows = append(w.Rows, row{
			ID: client.ID, Name: shorten(client.Name, rowName), Inactive: client.Inactive,
			Parent: shorten(client.TopLevelName, pickName),
		})
		if client.Company != nil {
			w.Mapped[client.ID] = *client.Company
		}
	}
}
