package cli

import (
	"errors"
	"strings"

	"github.com/halosync/halosync/tasks"
)

// pairColumns has the indexes of the columns of a file of pairs. Of several columns for
// a side, the first that is not empty counts.
type pairColumns struct {
	company    []int
	clientID   []int
	client     []int // an id or a name
	clientName []int
}

// readHeading parses the first row as a heading. If it is not one, it returns the first
// two columns and false.
func readHeading(row []string) (c pairColumns, ok bool) {
	at := make(map[string]int)
	for i, cell := range row {
		name := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(cell)))
		if _, taken := at[name]; !taken {
			at[name] = i
		}
	}
	find := func(names ...string) (found []int) {
		for _, name := range names {
			if i, ok := at[name]; ok {
				found = append(found, i)
			}
		}
		return found
	}
	c = pairColumns{
		company:  find("company_id", "external_id", "company", "company_name"),
		clientID: find("client_id"), client: find("client"), clientName: find("client_name"),
	}
	if len(c.company) > 0 && len(c.clientID)+len(c.client)+len(c.clientName) > 0 {
		return c, true
	}
	return pairColumns{company: []int{0}, client: []int{1}}, false
}

// pair returns the pair of a row.
func (c *pairColumns) pair(row []string) (tasks.Pair, error) {
	company := cell(row, c.company)
	if id := cell(row, c.clientID); id != "" {
		p := tasks.Pair{Company: company}
		var err error
		if p.ClientID, err = clientID(id); err != nil {
			return p, err
		}
		return p, p.Validate()
	}
	if client := cell(row, c.client); client != "" {
		return newPair(company, client)
	}
	p := tasks.Pair{Company: company, ClientName: cell(row, c.clientName)}
	if company == "" && p.ClientName == "" {
		return p, errors.New("neither company nor client")
	}
	return p, p.Validate()
}

// cell returns the first value of the columns that is not empty.
func cell(row []string, columns []int) string {
	for _, i := range columns {
		if i < len(row) && row[i] != "" {
			return row[i]
		}
	}
	return ""
}
