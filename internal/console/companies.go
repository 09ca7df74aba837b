package console

import (
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// companiesPage is the data of the Companies page.
type companiesPage struct {
	listed[repo.Company]
	Search   string
	Unmapped bool
	// Names and ExternalID keep the input of a form that failed.
	Names, ExternalID string
	request           *request
}

// companies lists the product's companies: all of them, or only the unmapped ones.
func (c *Console) companies(r *request) error {
	p, err := c.companiesPage(r)
	if err != nil {
		return err
	}
	return r.render("companies", p.title(), p)
}

func (c *Console) companiesPage(r *request) (*companiesPage, error) {
	p := &companiesPage{Search: r.value("search"), Unmapped: r.value("unmapped") != "", request: r}
	rows, err := paginate(r, func(c repo.Company) uuid.UUID { return c.ID },
		func(backwards bool, from uuid.UUID, limit int) ([]repo.Company, error) {
			return c.store.Companies(r.Context(), r.Tenant, repo.CompanyFilter{
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

// Found returns the text above the table, which describes the rows.
func (p *companiesPage) Found() string {
	text := plural(len(p.Rows), "company", "companies") + " on this page"
	if p.Next != "" {
		text += ", more on the next"
	}
	return text + "."
}

// addCompanies adds one company per line of the form.
func (c *Console) addCompanies(r *request) error {
	var names []string
	typed := r.value("names")
	for line := range strings.Lines(typed) {
		if name := strings.TrimSpace(line); name != "" {
			names = append(names, name)
		}
	}
	err := error(&problem.InputError{Reason: "No name. Enter one per line."})
	var added []repo.Company
	if len(names) > 0 {
		added, err = c.engine.AddCompanies(r.Context(), r.Tenant, r.Actor, names, r.value("external_id"))
	}
	if err != nil {
		p, listErr := c.companiesPage(r)
		if listErr != nil {
			return listErr
		}
		p.Names, p.ExternalID = typed, r.value("external_id")
		return r.renderFailed(err, "companies", p.title(), p)
	}
	message := &flash{Text: plural(len(added), "company", "companies") + " added.", Link: "/map", Go: "Map to Halo PSA companies"}
	if len(added) == 1 {
		message.Text = "“" + added[0].Name + "” added."
	}
	return r.redirect("/companies", message)
}
