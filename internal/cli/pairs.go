package cli

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/halosync/halosync/tasks"
)

// parsePair parses COMPANY=CLIENT, split at the last "=".
func parsePair(text string) (tasks.Pair, error) {
	i := strings.LastIndexByte(text, '=')
	if i < 0 {
		return tasks.Pair{}, fmt.Errorf("pair %.80q: want COMPANY=CLIENT", text)
	}
	p, err := newPair(text[:i], text[i+1:])
	if err != nil {
		return p, fmt.Errorf("pair %.80q: %w", text, err)
	}
	return p, nil
}

// newPair returns the pair of a company and a client. A client that consists of digits is
// an id; any other is a name.
func newPair(company, client string) (p tasks.Pair, err error) {
	p.Company, client = strings.TrimSpace(company), strings.TrimSpace(client)
	if client != "" && strings.Trim(client, "0123456789") == "" {
		if p.ClientID, err = clientID(client); err != nil {
			return p, err
		}
	} else {
		p.ClientName = client
	}
	return p, p.Validate()
}

// mapPairs returns the pairs from the arguments and the file.
func (a *app) mapPairs(args []string, file string) ([]tasks.Pair, error) {
	var pairs []tasks.Pair
	for _, arg := range args {
		p, err := parsePair(arg)
		if err != nil {
			return nil, usagef("%v", err)
		}
		pairs = append(pairs, p)
	}
	return withFile(a, pairs, file, readPairs)
}

// maxColumns is the maximum number of columns in a row. The limit exists because a column
// takes much more memory than the comma that creates it.
const maxColumns = 1000

// readPairs reads CSV with a company and a client per line, separated by commas or
// semicolons. A heading can name the columns; without a heading, the first two columns are
// used. Lines that start with # are ignored. The error lists the first [maxFaults] invalid
// lines and counts the remaining ones.
func readPairs(r io.Reader) ([]tasks.Pair, error) {
	raw, err := readFile(r)
	if err != nil {
		return nil, err
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	n := 0
	for line := range bytes.Lines(raw) {
		n++
		if max(bytes.Count(line, []byte{','}), bytes.Count(line, []byte{';'})) >= maxColumns {
			return nil, fmt.Errorf("line %d: more than %d columns", n, maxColumns)
		}
	}
	rows := newPairRows(raw)
	var pairs []tasks.Pair
	var faults []error
	more := 0
	for {
		p, err := rows.next()
		switch {
		case errors.Is(err, io.EOF) && more > 0:
			return nil, errors.Join(append(faults, fmt.Errorf("and %d more invalid lines", more))...)
		case errors.Is(err, io.EOF) && len(faults) > 0:
			return nil, errors.Join(faults...)
		case errors.Is(err, io.EOF) && len(pairs) == 0:
			return nil, errors.New("no pair in it")
		case errors.Is(err, io.EOF):
			return pairs, nil
		case err == nil:
			pairs = append(pairs, p)
		case len(faults) < maxFaults:
			faults = append(faults, err)
		default:
			more++
		}
	}
}

// pairRows reads a file of pairs row by row.
type pairRows struct {
	csv     *csv.Reader
	columns *pairColumns // nil until the first row is read
}

func newPairRows(raw []byte) *pairRows {
	return &pairRows{csv: pairCSV(raw, separator(raw))}
}

func pairCSV(raw []byte, comma rune) *csv.Reader {
	c := csv.NewReader(bytes.NewReader(raw))
	c.Comma, c.Comment, c.FieldsPerRecord, c.TrimLeadingSpace = comma, '#', -1, true
	return c
}

// next returns the next pair, or [io.EOF] at the end of the file. Any other error names the
// invalid line, and the caller may continue with the next row.
func (r *pairRows) next() (tasks.Pair, error) {
	for {
		row, err := r.csv.Read()
		if err != nil {
			var fault *csv.ParseError
			if errors.As(err, &fault) {
				return tasks.Pair{}, fmt.Errorf("line %d: %w", fault.StartLine, fault.Err)
			}
			return tasks.Pair{}, err
		}
		line, _ := r.csv.FieldPos(0)
		for i := range row {
			row[i] = strings.TrimSpace(unformula(strings.TrimSpace(row[i])))
		}
		if !slices.ContainsFunc(row, func(cell string) bool { return cell != "" }) {
			continue
		}
		if r.columns == nil {
			heading, ok := readHeading(row)
			if r.columns = &heading; ok {
				continue
			}
		}
		p, err := r.columns.pair(row)
		if err != nil {
			return p, fmt.Errorf("line %d: %w", line, err)
		}
		p.Line = line
		return p, nil
	}
}

// unformula removes the quote that noFormula puts before a cell.
func unformula(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && noFormula(rest) != rest {
		return rest
	}
	return cell
}

// separator returns the separator of a file, a comma or a semicolon. It prefers a separator
// that makes the first row a heading, then one that yields an id in the second column, then
// one that yields two columns. The default is a comma.
func separator(raw []byte) rune {
	best, score := ',', 0
	for _, comma := range []rune{',', ';'} {
		if n := likelihood(firstRow(raw, comma)); n > score {
			best, score = comma, n
		}
	}
	return best
}

// firstRow returns the first row that is not empty, or nil if that row cannot be read.
func firstRow(raw []byte, comma rune) []string {
	first := pairCSV(raw, comma)
	for {
		row, err := first.Read()
		if err != nil {
			return nil
		}
		if strings.TrimSpace(strings.Join(row, "")) != "" {
			return row
		}
	}
}

func likelihood(row []string) int {
	if len(row) < 2 {
		return 0
	}
	if _, ok := readHeading(row); ok {
		return 3
	}
	if _, err := clientID(row[1]); err == nil {
		return 2
	}
	return 1
}

// pairColumns contains the indexes of the columns in a file of pairs. If a side has several
// columns, the first one with a value is used.
type pairColumns struct {
	company    []int
	clientID   []int
	client     []int // an id or a name
	clientName []int
}

// readHeading parses the first row as a heading. If the row is not a heading, it returns
// the indexes of the first two columns and false.
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

// cell returns the first value in the columns that is not empty.
func cell(row []string, columns []int) string {
	for _, i := range columns {
		if i < len(row) && row[i] != "" {
			return row[i]
		}
	}
	return ""
}
