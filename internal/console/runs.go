package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// runsPage is the data of the Runs page.
type runsPage struct {
	Rows         []runRow
	Next, Newest string
	Connections  []repo.ConnectionName
	Kinds        []repo.RunKind
	States       []repo.RunState
	Connection   string
	Kind         repo.RunKind
	State        repo.RunState
	Filtered     bool
}

// runRow is a run in a list.
type runRow struct {
	repo.Run
	Connection string // name of the connection
	DryRun     bool
}

var (
	runKinds  = []repo.RunKind{repo.KindImport, repo.KindMap, repo.KindResync, repo.KindSuggest, repo.KindUnmap}
	runStates = []repo.RunState{
		repo.StateQueued, repo.StateRunning, repo.StateSucceeded, repo.StatePartial,
		repo.StateHeld, repo.StateFailed, repo.StateCancelled,
	}
)

// runs lists runs, newest first.
func (c *Console) runs(r *request) error {
	p := runsPage{Connection: r.value("connection"), Kind: repo.RunKind(r.value("kind")), State: repo.RunState(r.value("state")), Kinds: runKinds, States: runStates}
	p.Filtered = p.Connection != "" || p.Kind != "" || p.State != ""
	filter, err := c.runFilter(r, p)
	if err != nil {
		return err
	}
	if p.Connections, err = c.store.ConnectionNames(r.Context(), r.Tenant); err != nil {
		return err
	}
	filter.Limit = pageRows + 1
	runs, err := c.store.Runs(r.Context(), r.Tenant, filter)
	if err != nil {
		return err
	}
	if len(runs) > pageRows {
		runs = runs[:pageRows]
		p.Next = r.with("before", repo.Hex(runs[pageRows-1].ID))
	}
	if filter.BeforeID != (uuid.UUID{}) {
		p.Newest = r.with("before", "")
	}
	names := namesOf(p.Connections)
	for _, run := range runs {
		p.Rows = append(p.Rows, runRow{run, names[run.ConnectionID], engine.IsDryRun(run)})
	}
	return r.render("runs", "Runs", p)
}

func (c *Console) runFilter(r *request, p runsPage) (f repo.RunFilter, err error) {
	if p.Kind != "" && !slices.Contains(runKinds, p.Kind) || p.State != "" && !slices.Contains(runStates, p.State) {
		return f, &problem.InputError{Reason: "Unknown kind or state. Choose one from the list."}
	}
	f.Kind, f.State = p.Kind, p.State
	if f.ConnectionID, err = filterID(p.Connection, "Unknown connection. Choose one from the list."); err != nil {
		return f, err
	}
	if before := r.value("before"); before != "" {
		id, err := uuid.Parse(before)
		if err != nil {
			return f, problem.ErrNoPage
		}
		last, err := c.store.RunSummary(r.Context(), r.Tenant, id)
		if err != nil {
			return f, err
		}
		f.QueuedBefore, f.BeforeID = last.QueuedAt, last.ID
	}
	return f, nil
}

func namesOf(connections []repo.ConnectionName) map[uuid.UUID]string {
	names := make(map[uuid.UUID]string, len(connections))
	for _, c := range connections {
		names[c.ID] = c.Name
	}
	return names
}

// runPage is the data of a run's page.
type runPage struct {
	live
	Connection string
	Items      []runItem
	Pairs      []runItem
	Asked      string // the request in words
	Suggested  string // the suggestions that the run has computed in words
}

// runItem is an item that needs a person's attention, or the outcome of a pair.
type runItem struct {
	repo.RunItem
	Company string // empty if unknown
	Client  string // empty if unknown
}

func (c *Console) run(r *request) error {
	run, err := r.run()
	if err != nil {
		return err
	}
	p, err := c.runPage(r, run)
	if err != nil {
		return err
	}
	return r.render("run", p.Title(), p)
}

// run returns the run that the path names, with its items.
func (r *request) run() (repo.Run, error) {
	id, err := r.id()
	if err != nil {
		return repo.Run{}, err
	}
	return r.c.store.Run(r.Context(), r.Tenant, id)
}

// runAlone returns the run that the path names, without its items.
func (r *request) runAlone() (repo.Run, error) {
	id, err := r.id()
	if err != nil {
		return repo.Run{}, err
	}
	return r.c.store.RunSummary(r.Context(), r.Tenant, id)
}

func (c *Console) runPage(r *request, run repo.Run) (runPage, error) {
	p := runPage{live: c.live(r, run), Asked: asked(run)}
	connections, err := c.store.ConnectionNames(r.Context(), r.Tenant)
	if err != nil {
		return p, err
	}
	p.Connection = namesOf(connections)[run.ConnectionID]
	if run.Kind == repo.KindSuggest && run.Ended() {
		n, ok, err := c.foundBy(r, run)
		if err != nil {
			return p, err
		}
		if ok {
			p.Suggested = "No unmapped companies look alike."
			if n > 0 {
				p.Suggested = plural(n, "pair", "pairs") + " may be the same company."
			}
		}
	}
	pairs, err := engine.Pairs(run)
	if err != nil {
		return p, err
	}
	names, err := c.itemNames(r, run, pairs)
	if err != nil {
		return p, err
	}
	for _, i := range run.Items {
		p.Items = append(p.Items, names.item(i))
	}
	for _, i := range run.Pairs {
		p.Pairs = append(p.Pairs, names.item(i))
	}
	return p, nil
}

// itemNames contains the names for the ids in the items of a run.
type itemNames struct {
	pairs     []tasks.Pair
	companies map[uuid.UUID]string
	clients   map[int64]string
}

func (c *Console) itemNames(r *request, run repo.Run, pairs []tasks.Pair) (names itemNames, err error) {
	names.pairs = pairs
	var companies []uuid.UUID
	var clients []int64
	for _, i := range slices.Concat(run.Items, run.Pairs) {
		companies, clients = append(companies, i.CompanyID), append(clients, i.ClientID)
	}
	for _, pair := range pairs {
		if id, err := uuid.Parse(pair.Company); err == nil {
			companies = append(companies, id)
		}
		clients = append(clients, pair.ClientID)
	}
	if len(clients) == 0 {
		return names, nil
	}
	if names.companies, err = c.store.CompanyNames(r.Context(), r.Tenant, companies); err != nil {
		return names, err
	}
	names.clients, err = c.store.ClientNames(r.Context(), r.Tenant, run.ConnectionID, clients)
	return names, err
}

// item adds the names of the company and the client to an item. It uses the current names
// or, if a name is unknown, the name in the request.
func (n itemNames) item(i repo.RunItem) runItem {
	shown := runItem{RunItem: i, Company: n.companies[i.CompanyID], Client: n.clients[i.ClientID]}
	if i.Pair < 1 || i.Pair > len(n.pairs) {
		return shown
	}
	pair := n.pairs[i.Pair-1]
	if shown.Company == "" {
		shown.Company = pair.Company
		if id, err := uuid.Parse(pair.Company); err == nil && n.companies[id] != "" {
			shown.Company = n.companies[id]
		}
	}
	if shown.Client == "" {
		shown.Client = cmp.Or(n.clients[pair.ClientID], pair.ClientName)
	}
	if shown.ClientID == 0 {
		shown.ClientID = pair.ClientID
	}
	return shown
}

// asked describes a run's request in words.
func asked(run repo.Run) string {
	var args struct {
		All        bool     `json:"all"`
		Search     string   `json:"search"`
		ClientIDs  []int64  `json:"client_ids"`
		Pairs      []any    `json:"pairs"`
		MappingIDs []string `json:"mapping_ids"`
	}
	if json.Unmarshal(run.Args, &args) != nil {
		return ""
	}
	switch {
	case args.All:
		return "all Halo PSA companies"
	case args.Search != "":
		return fmt.Sprintf("companies whose name contains “%s”", args.Search)
	case len(args.ClientIDs) > 0:
		return plural(len(args.ClientIDs), "chosen company", "chosen companies")
	case len(args.Pairs) > 0:
		return plural(len(args.Pairs), "pair", "pairs")
	case len(args.MappingIDs) > 0:
		return plural(len(args.MappingIDs), "mapping", "mappings")
	}
	return ""
}
