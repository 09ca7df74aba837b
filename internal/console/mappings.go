package console

import (
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// mappingsPage is the data of the Mappings page.
type mappingsPage struct {
	listed[repo.Mapping]
	Connections []repo.ConnectionName
	Connection  string // id of the chosen connection
	Search      string
	State       repo.MappingState
	States      []repo.MappingState
	Deleted     bool
	Sort        string
	Sorts       []mappingSort
	Unsorted    bool   // too many mappings for the chosen order
	MaxSorted   int    // at this number of mappings or more, the list is sorted only by age
	Here        string // URL of this page
	Filtered    bool
	request     *request
}

// troubled is the filter for all states except ok.
const troubled = "trouble"

var mappingStates = []repo.MappingState{troubled, repo.MappingOK, repo.MappingInactive, repo.MappingMissing, repo.MappingUnverified}

// mappings lists mappings by age, at a cost that does not depend on their number. Other
// orders are available if the list has fewer than [maxSorted] mappings.
func (c *Console) mappings(r *request) error {
	p := mappingsPage{
		Connection: r.value("connection"), Search: r.value("search"), State: repo.MappingState(r.value("state")),
		Deleted: r.value("deleted") != "", Sort: r.value("sort"),
		States: mappingStates, Sorts: mappingSorts, MaxSorted: maxSorted, Here: r.URL.RequestURI(), request: r,
	}
	filter, err := p.filter()
	if err != nil {
		return err
	}
	if p.Connections, err = c.store.ConnectionNames(r.Context(), r.Tenant); err != nil {
		return err
	}
	if p.listed, err = c.listMappings(r, &p, filter); err != nil {
		return err
	}
	title := "Mappings"
	if p.Deleted {
		title = "Former mappings"
	}
	return r.render("mappings", title, &p)
}

// filter returns the filter for the store. It refuses values that the page does not offer,
// because ignoring them would show the wrong rows.
func (p *mappingsPage) filter() (repo.MappingFilter, error) {
	f := repo.MappingFilter{Search: p.Search, State: p.State, Deleted: p.Deleted}
	var err error
	if f.ConnectionID, err = filterID(p.Connection, "Unknown connection. Choose one from the list."); err != nil {
		return f, err
	}
	if p.State != "" && !slices.Contains(mappingStates, p.State) {
		return f, &problem.InputError{Reason: "Unknown state. Choose one from the list."}
	}
	if p.State == troubled {
		f.State, f.Troubled = "", true
	}
	if !slices.ContainsFunc(mappingSorts, func(s mappingSort) bool { return s.Key == p.Sort }) {
		p.Sort = ""
	}
	p.Filtered = p.Connection != "" || p.Search != "" || p.State != ""
	return f, nil
}

func mappingID(m repo.Mapping) uuid.UUID { return m.ID }

func (c *Console) listMappings(r *request, p *mappingsPage, filter repo.MappingFilter) (listed[repo.Mapping], error) {
	ctx := r.Context()
	if sort := sortOf(p.Sort); sort.compare != nil {
		filter.Limit = maxSorted
		all, err := c.store.Mappings(ctx, r.Tenant, filter)
		if err != nil {
			return listed[repo.Mapping]{}, err
		}
		if len(all) < maxSorted {
			sort.sort(all)
			return paginate(r, mappingID, fetchFrom(all, mappingID))
		}
		p.Unsorted, p.Sort = true, ""
	}
	newest := p.Sort != sortOldest
	return paginate(r, mappingID, func(backwards bool, from uuid.UUID, limit int) ([]repo.Mapping, error) {
		filter.NewestFirst, filter.After, filter.Limit = newest != backwards, from, limit
		return c.store.Mappings(ctx, r.Tenant, filter)
	})
}

// Found returns the text that describes the rows, for the page and for screen readers.
func (p *mappingsPage) Found() string {
	text := plural(len(p.Rows), "mapping", "mappings") + " on this page"
	if p.Next != "" {
		text += ", more on the next"
	}
	return text + "."
}

// View returns the URL of the list of active or former mappings.
func (p *mappingsPage) View(deleted string) string {
	return p.request.with("deleted", deleted, "after", "", "before", "", "sort", "")
}

// Clear returns the URL of the list without filters.
func (p *mappingsPage) Clear() string {
	return p.request.with("connection", "", "search", "", "state", "", "after", "", "before", "")
}
