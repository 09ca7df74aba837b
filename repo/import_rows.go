package repo

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// batchWrite holds a batch's decisions as columns, which unnest turns into rows.
type batchWrite struct {
	page     ImportBatch
	counts   Counts
	clients  clientColumns // rows of the catalogue
	added    addedColumns
	refresh  mappingColumns // mappings to update: only names, states and client ids
	items    itemColumns
	findings findingColumns
}

type clientColumns struct {
	ids      []int64
	names    []string
	inactive []bool
	topIDs   []int64
	topNames []string
}

// addedColumns has one entry for each row of clients, in the same order: the mapping
// and company to create for that client, if any.
type addedColumns struct {
	any bool
	// Not []uuid.UUID: pgx would convert each id to text and back.
	mappings, companies pgtype.FlatArray[pgtype.UUID]
	norms               []string // empty: create no company
}

type mappingColumns struct {
	ids, companyIDs []uuid.UUID
	clientIDs       []int64
	names           []string
	inactive        []bool
}

type itemColumns struct {
	clientIDs         []int64
	companyIDs        []*uuid.UUID
	outcomes, reasons []string
}

// newBatchWrite groups decisions by the tables that they change. There must be one
// decision per client of the batch, in the same order.
func newBatchWrite(p ImportBatch, decisions []Decision) (*batchWrite, error) {
	if len(decisions) != len(p.Clients) {
		return nil, &InvalidError{What: "batch", Reason: fmt.Sprintf("has %d clients and %d decisions", len(p.Clients), len(decisions))}
	}
	w := &batchWrite{page: p}
	for i, d := range decisions {
		if d.Client.ID != p.Clients[i].ID {
			return nil, &InvalidError{What: "decision", Reason: fmt.Sprintf("%d is about client %d, not %d", i, d.Client.ID, p.Clients[i].ID)}
		}
		if err := w.add(d); err != nil {
			return nil, err
		}
	}
	for _, skip := range p.Skips {
		if err := w.count(skip.Outcome); err != nil {
			return nil, err
		}
		w.items.add(skip)
	}
	for _, f := range p.Absent {
		w.findings.add(f)
	}
	return w, nil
}

// add adds one decision.
func (w *batchWrite) add(d Decision) error {
	if reason := unstorableClient(d.Client); reason != "" {
		if w.page.Compare && d.Client.ID > 0 {
			w.findings.add(Finding{ClientID: d.Client.ID, Outcome: FoundUnverified, Reason: reason})
			return nil
		}
		w.counts.Failed++
		w.items.add(RunItem{ClientID: max(0, d.Client.ID), Outcome: Failed, Reason: reason})
		return nil
	}
	w.clients.add(d.Client)
	w.added.skip()
	if d.Outcome == Seen {
		return nil
	}
	if w.page.Compare && d.Outcome == Refreshed {
		w.findings.add(Finding{ClientID: d.Client.ID, Outcome: FoundSeen, Name: d.Client.Name, Inactive: d.Client.Inactive})
		return nil
	}
	if err := w.count(d.Outcome); err != nil {
		return err
	}
	if d.Outcome == Ambiguous || d.Outcome == Failed {
		w.items.add(RunItem{ClientID: d.Client.ID, CompanyID: d.CompanyID, Outcome: d.Outcome, Reason: d.Reason})
	}
	switch d.Outcome {
	case Created:
		return w.create(d)
	case Linked:
		return w.link(d, d.CompanyID, "")
	case Refreshed:
		w.refresh.addClient(d.Client)
	}
	return nil
}

func (w *batchWrite) create(d Decision) error {
	if err := (NewCompany{Name: d.Client.Name, NormName: d.Norm}).check(); err != nil {
		return fmt.Errorf("client %d: %w", d.Client.ID, err)
	}
	id, err := newID()
	if err != nil {
		return err
	}
	return w.link(d, id, d.Norm)
}

// link adds a mapping to the client that was added last. Unless norm is empty, it also
// adds a company with that normalised name.
func (w *batchWrite) link(d Decision, company uuid.UUID, norm string) error {
	if company == uuid.Nil {
		return &InvalidError{What: "decision", Reason: fmt.Sprintf("links client %d to no company", d.Client.ID)}
	}
	id, err := newID()
	if err != nil {
		return err
	}
	a, last := &w.added, len(w.added.mappings)-1
	a.any, a.norms[last] = true, norm
	a.mappings[last] = pgtype.UUID{Bytes: id, Valid: true}
	a.companies[last] = pgtype.UUID{Bytes: company, Valid: true}
	return nil
}

func (w *batchWrite) count(outcome Outcome) error {
	c := &w.counts
	counter, ok := map[Outcome]*int{
		Created: &c.Created, Linked: &c.Linked, Refreshed: &c.Refreshed, Unchanged: &c.Unchanged,
		Ambiguous: &c.Ambiguous, Skipped: &c.Skipped, Failed: &c.Failed,
	}[outcome]
	if !ok {
		return &InvalidError{What: "outcome", Reason: fmt.Sprintf("%q is unknown", outcome)}
	}
	*counter++
	return nil
}

func (cl *clientColumns) add(c Client) {
	cl.ids = append(cl.ids, c.ID)
	cl.names = append(cl.names, c.Name)
	cl.inactive = append(cl.inactive, c.Inactive)
	cl.topIDs = append(cl.topIDs, max(0, c.TopLevelID))
	cl.topNames = append(cl.topNames, c.TopLevelName)
}

// skip appends an empty row for the next client.
func (a *addedColumns) skip() {
	a.mappings, a.companies, a.norms = append(a.mappings, pgtype.UUID{}), append(a.companies, pgtype.UUID{}), append(a.norms, "")
}

func (m *mappingColumns) addClient(c Client) {
	m.clientIDs = append(m.clientIDs, c.ID)
	m.names = append(m.names, c.Name)
	m.inactive = append(m.inactive, c.Inactive)
}

func (it *itemColumns) add(item RunItem) {
	it.clientIDs = append(it.clientIDs, item.ClientID)
	it.companyIDs = append(it.companyIDs, orNilID(item.CompanyID))
	it.outcomes = append(it.outcomes, note(string(item.Outcome)))
	it.reasons = append(it.reasons, note(item.Reason))
}
