package console

import (
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// mappingsPage is what the page of mappings shows.
type mappingsPage struct {
	listed[repo.Mapping]
	Connections []repo.ConnectionName
	Connection  string // chosen one, by id
	Search      string
	State       string
	States      []string
	Deleted     bool
	Sort        string
	Sorts       []mappingSort
	Unsorted    bool   // there are too many to be sorted as was asked for
	Most        int    // how many can be
	Here        string // this page, to come back to
	Filtered    bool
	visit       *visit
}

// troubled stands for every state but ok in the filter.
const troubled = "trouble"

var mappingStates = []string{troubled, repo.MappingOK, repo.MappingInactive, repo.MappingMissing, repo.MappingUnverified}

// mappings lists mappings by age, which any number of them can be listed by at
// the same cost, or sorted otherwise, as long as they are not too many.
func (c *Console) mappings(v *visit) error {
	p := mappingsPage{
		Connection: v.value("connection"), Search: v.value("search"), State: v.value("state"),
		Deleted: v.value("deleted") != "", Sort: v.value("sort"),
		States: mappingStates, Sorts: mappingSorts, Most: sortMost, Here: v.r.URL.RequestURI(), visit: v,
	}
	filter, err := p.filter()
	if err != nil {
		return err
	}
	if p.Connections, err = c.store.ConnectionNames(v.r.Context(), v.Tenant); err != nil {
		return err
	}
	if p.listed, err = c.listMappings(v, &p, filter); err != nil {
		return err
	}
	title := "Mappings"
	if p.Deleted {
		title = "Former mappings"
	}
	return v.render("mappings", title, &p)
}

// filter makes the store's filter of what was chosen. What cannot be chosen
// on the page is refused rather than left out, for else it would show what was
// not asked for.
func (p *mappingsPage) filter() (repo.MappingFilter, error) {
	f := repo.MappingFilter{Search: p.Search, State: p.State, Deleted: p.Deleted}
	if p.Connection != "" {
		id, err := uuid.Parse(p.Connection)
		if err != nil {
			return f, &problem.InputError{Reason: "Unknown connection. Choose one from the list."}
		}
		f.ConnectionID = &id
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

func (c *Console) listMappings(v *visit, p *mappingsPage, filter repo.MappingFilter) (listed[repo.Mapping], error) {
	ctx := v.r.Context()
	if sort := sortOf(p.Sort); sort.compare != nil {
		filter.Limit = sortMost
		all, err := c.store.Mappings(ctx, v.Tenant, filter)
		if err != nil {
			return listed[repo.Mapping]{}, err
		}
		if len(all) < sortMost {
			sort.sort(all)
			return list(v, mappingID, within(all, mappingID))
		}
		p.Unsorted, p.Sort = true, ""
	}
	newest := p.Sort != sortOldest
	return list(v, mappingID, func(backwards bool, from uuid.UUID, limit int) ([]repo.Mapping, error) {
		filter.NewestFirst, filter.After, filter.Limit = newest != backwards, from, limit
		return c.store.Mappings(ctx, v.Tenant, filter)
	})
}

// Found says in words what is shown, for the ear, too.
func (p *mappingsPage) Found() string {
	text := plural(len(p.Rows), "mapping", "mappings") + " on this page"
	if p.Next != "" {
		text += ", more on the next"
	}
	return text + "."
}

// View is the address of the list in force or of the deleted ones.
func (p *mappingsPage) View(deleted string) string {
	return p.visit.with("deleted", deleted, "after", "", "before", "", "sort", "")
}

// Clear is the address of the list without filters.
func (p *mappingsPage) Clear() string {
	return p.visit.with("connection", "", "search", "", "state", "", "after", "", "before", "")
}
