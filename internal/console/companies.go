package console

import (
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// companiesPage is what the page of companies shows.
type companiesPage struct {
	listed[repo.Company]
	Search   string
	Unmapped bool
	// What was typed to add some, if that failed:
	Names, ExternalID string
	visit             *visit
}

// companies lists the product's companies, all or those without a mapping.
func (c *Console) companies(v *visit) error {
	p, err := c.companiesPage(v)
	if err != nil {
		return err
	}
	return v.render("companies", p.title(), p)
}

func (c *Console) companiesPage(v *visit) (*companiesPage, error) {
	p := &companiesPage{Search: v.value("search"), Unmapped: v.value("unmapped") != "", visit: v}
	rows, err := list(v, func(c repo.Company) uuid.UUID { return c.ID },
		func(backwards bool, from uuid.UUID, limit int) ([]repo.Company, error) {
			return c.store.Companies(v.r.Context(), v.Tenant, repo.CompanyFilter{
				Search: p.Search, Unmapped: p.Unmapped, NewestFirst: !backwards, After: from, Limit: limit,
			})
		})
	p.listed = rows
	return p, err
}

func (p *companiesPage) title() string {
	if p.Unmapped {
		return "Unmapped companies"
	}
	return "Companies"
}

// Found says in words what is shown.
func (p *companiesPage) Found() string {
	text := plural(len(p.Rows), "company", "companies") + " on this page"
	if p.Next != "" {
		text += ", more on the next"
	}
	return text + "."
}

// addCompanies adds one company a line.
func (c *Console) addCompanies(v *visit) error {
	var names []string
	typed := v.value("names")
	for line := range strings.Lines(typed) {
		if name := strings.TrimSpace(line); name != "" {
			names = append(names, name)
		}
	}
	err := error(&problem.InputError{Reason: "No name. Enter one per line."})
	var added []repo.Company
	if len(names) > 0 {
		added, err = c.engine.AddCompanies(v.r.Context(), v.Tenant, v.Actor, names, v.value("external_id"))
	}
	if err != nil {
		p, listErr := c.companiesPage(v)
		if listErr != nil {
			return listErr
		}
		p.Names, p.ExternalID = typed, v.value("external_id")
		return v.renderFailed(err, "companies", p.title(), p)
	}
	said := &flash{Text: plural(len(added), "company", "companies") + " added.", Link: "/map", Go: "Map to Halo PSA companies"}
	if len(added) == 1 {
		said.Text = "“" + added[0].Name + "” added."
	}
	return v.redirect("/companies", said)
}
