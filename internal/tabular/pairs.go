package tabular

import (
	"errors"
	"fmt"
	"io"

	"github.com/halosync/halosync/tasks"
)

// Columns of a file of pairs. If a row has several values for a company, the first of
// these columns counts. A client's id takes precedence over its name.
var (
	companyColumns = []string{"company_id", "external_id", "company", "company_name"}
	clientColumns  = []string{"client_id", "client", "client_name"}
)

// ReadPairs reads pairs of a company and a client. The heading names the columns: one of
// company_id, external_id, company and company_name, and one of client_id, client and
// client_name. It also reads the output of "enqueue clients" and "enqueue companies list",
// whose columns id and name are the client's or the company's. A file without a heading
// has a company and the id of a client on each line.
func ReadPairs(r io.Reader) (List[tasks.Pair], error) {
	f, err := open(r, fitPairs)
	if err != nil {
		return List[tasks.Pair]{}, err
	}
	once := contradictions{}
	if f.plain || len(f.text) == 0 {
		return collect(f, nil, "pair", func(r row) (tasks.Pair, string, error) { return once.check(plainPair(r)) })
	}
	h := headingOf(f.first)
	columns, err := pairColumnsOf(f, h)
	if err != nil {
		return List[tasks.Pair]{}, err
	}
	return collect(f, h, "pair", func(r row) (tasks.Pair, string, error) { return once.check(columns.pair(r)) })
}

func fitPairs(r row) fit {
	h := headingOf(r)
	if n := h.known(companyColumns) + h.known(clientColumns); n > 0 {
		return plainRow + fit(n)
	}
	if len(r.cells) >= 2 && r.cells[0] != "" && r.tooMany(2) == nil {
		if _, number, _ := parseID(r.cells[1], r.comma); number {
			return plainRow
		}
	}
	return 0
}

// plainPair returns the pair in a row of a file without a heading.
func plainPair(r row) (tasks.Pair, string, error) {
	p := tasks.Pair{Company: r.cell(0), Line: r.line}
	var err error
	p.ClientID, _, err = parseID(r.cell(1), r.comma)
	switch {
	case r.comment() && (err != nil || r.tooMany(2) != nil):
		return p, comment, r.openQuote()
	case r.tooMany(2) != nil:
		return p, "", fmt.Errorf("%d cells: want a company and the id of a client; put a cell that contains %s in quotes", len(r.cells), separatorName(r.comma))
	case r.cell(1) == "":
		return p, "", errors.New("no client: want its id")
	case err != nil:
		return p, "", fmt.Errorf("%w; for names of clients, begin the file with a heading such as company,client", err)
	}
	return p, "", p.Validate()
}

// pairColumns contains the indexes of the columns in a file of pairs, or -1.
type pairColumns struct {
	heading                      heading
	company                      []int
	clientID, client, clientName int
}

// pairColumnsOf finds the columns of a file of pairs.
func pairColumnsOf(f *file, h heading) (c pairColumns, err error) {
	if err := errors.Join(h.twice(companyColumns), h.twice(clientColumns)); err != nil {
		return c, fmt.Errorf("line %d: %w", f.first.line, err)
	}
	company := companyColumns
	c = pairColumns{heading: h, clientID: h.at("client_id"), client: h.at("client"), clientName: h.at("client_name")}
	switch {
	case h.known(clientColumns) == 0 && h.ofClients():
		c.clientID, c.clientName = h.at("id"), h.at("name")
	case h.known([]string{"company_id", "company", "company_name"}) == 0 && h.ofCompanies():
		company = []string{"id", "external_id", "name"}
	case h.known(companyColumns) == 0 || h.known(clientColumns) == 0:
		return c, notUnderstood(f, "want a column for the company (company, company_id, external_id or company_name) and one for the client (client, client_id or client_name)")
	}
	for _, name := range company {
		if h.has(name) {
			c.company = append(c.company, h.at(name))
		}
	}
	return c, nil
}

// pair returns the pair of a row.
func (c *pairColumns) pair(r row) (tasks.Pair, string, error) {
	p := tasks.Pair{Line: r.line}
	for _, i := range c.company {
		if p.Company == "" {
			p.Company = r.cell(i)
		}
	}
	err := c.readClient(&p, r)
	missing := err == nil && p.ClientID == 0 && p.ClientName == ""
	fault := r.misfit(len(c.heading))
	switch {
	case r.comment() && (p.Company == "" || missing || fault != nil):
		return p, comment, r.openQuote()
	case fault != nil:
		return p, "", fault
	case err != nil:
		return p, "", err
	case missing:
		return p, noClient, nil
	case p.Company == "":
		return p, noCompany, nil
	}
	return p, "", p.Validate()
}

// readClient sets the client of a pair.
func (c *pairColumns) readClient(p *tasks.Pair, r row) (err error) {
	column := c.clientID
	if text := r.cell(column); text != "" {
		p.ClientID, _, err = parseID(text, r.comma)
	} else if column = c.client; r.cell(column) != "" {
		p.ClientID, p.ClientName, err = parseClient(r.cell(column), r.comma)
	} else {
		p.ClientName = r.cell(c.clientName)
	}
	if err != nil || p.ClientID == 0 || c.heading.ours() {
		return err
	}
	return r.splitNumber(column)
}

// contradictions maps each company and each client of a file to its first pair.
type contradictions map[string]tasks.Pair

// check returns an error if an earlier pair maps the same company or the same client
// differently.
func (c contradictions) check(p tasks.Pair, why string, err error) (tasks.Pair, string, error) {
	if why != "" || err != nil {
		return p, why, err
	}
	for _, side := range []struct{ key, fault string }{
		{"company " + p.Company, "the same company with another client"},
		{fmt.Sprintf("client %d %s", p.ClientID, p.ClientName), "the same client with another company"},
	} {
		first, known := c[side.key]
		if !known {
			c[side.key] = p
		} else if first.Company != p.Company || first.ClientID != p.ClientID || first.ClientName != p.ClientName {
			return p, "", fmt.Errorf("line %d has %s: keep one of the two lines", first.Line, side.fault)
		}
	}
	return p, "", nil
}
