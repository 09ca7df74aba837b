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

// runsPage is what the page of runs shows.
type runsPage struct {
	Rows          []runRow
	Next, Newest  string
	Connections   []repo.ConnectionName
	Kinds, States []string
	Connection    string
	Kind, State   string
	Filtered      bool
}

// runRow is a run in a list.
type runRow struct {
	repo.Run
	Connection string // its name
	DryRun     bool
}

var (
	runKinds  = []string{repo.KindImport, repo.KindMap, repo.KindResync, repo.KindUnmap}
	runStates = []string{
		repo.StateQueued, repo.StateRunning, repo.StateSucceeded, repo.StatePartial,
		repo.StateHeld, repo.StateFailed, repo.StateCancelled,
	}
)

// runs lists runs, newest first.
func (c *Console) runs(v *visit) error {
	p := runsPage{Connection: v.value("connection"), Kind: v.value("kind"), State: v.value("state"), Kinds: runKinds, States: runStates}
	p.Filtered = p.Connection != "" || p.Kind != "" || p.State != ""
	filter, err := c.runFilter(v, p)
	if err != nil {
		return err
	}
	if p.Connections, err = c.store.ConnectionNames(v.r.Context(), v.Tenant); err != nil {
		return err
	}
	filter.Limit = pageRows + 1
	runs, err := c.store.Runs(v.r.Context(), v.Tenant, filter)
	if err != nil {
		return err
	}
	if len(runs) > pageRows {
		runs = runs[:pageRows]
		p.Next = v.with("before", repo.Hex(runs[pageRows-1].ID))
	}
	if filter.BeforeID != (uuid.UUID{}) {
		p.Newest = v.with("before", "")
	}
	names := namesOf(p.Connections)
	for _, run := range runs {
		p.Rows = append(p.Rows, runRow{run, names[run.ConnectionID], engine.IsDryRun(run)})
	}
	return v.render("runs", "Runs", p)
}

func (c *Console) runFilter(v *visit, p runsPage) (f repo.RunFilter, err error) {
	if p.Kind != "" && !slices.Contains(runKinds, p.Kind) || p.State != "" && !slices.Contains(runStates, p.State) {
		return f, &problem.InputError{Reason: "Unknown kind or state. Choose one from the list."}
	}
	f.Kind, f.State = p.Kind, p.State
	if p.Connection != "" {
		id, err := uuid.Parse(p.Connection)
		if err != nil {
			return f, &problem.InputError{Reason: "Unknown connection. Choose one from the list."}
		}
		f.ConnectionID = &id
	}
	if before := v.value("before"); before != "" {
		id, err := uuid.Parse(before)
		if err != nil {
			return f, problem.ErrNoPage
		}
		last, err := c.store.RunAlone(v.r.Context(), v.Tenant, id)
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

// runPage is what the page of one run shows.
type runPage struct {
	live
	Connection string
	Items      []runItem
	Pairs      []runItem
	Asked      string // what the run was requested for, in words
}

// runItem is something that needs a person, or what became of a pair.
type runItem struct {
	repo.RunItem
	Company string // empty: nobody knows it
	Client  string // likewise
}

func (c *Console) run(v *visit) error {
	run, err := v.run()
	if err != nil {
		return err
	}
	p, err := c.runPage(v, run)
	if err != nil {
		return err
	}
	return v.render("run", p.Title(), p)
}

// run reads the run of the path with its items.
func (v *visit) run() (repo.Run, error) {
	id, err := v.id()
	if err != nil {
		return repo.Run{}, err
	}
	return v.c.store.Run(v.r.Context(), v.Tenant, id)
}

func (c *Console) runPage(v *visit, run repo.Run) (runPage, error) {
	p := runPage{live: c.live(v, run), Asked: asked(run)}
	connections, err := c.store.ConnectionNames(v.r.Context(), v.Tenant)
	if err != nil {
		return p, err
	}
	p.Connection = namesOf(connections)[run.ConnectionID]
	pairs, err := engine.Pairs(run)
	if err != nil {
		return p, err
	}
	names, err := c.itemNames(v, run, pairs)
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

// itemNames are the names behind the ids of a run's items.
type itemNames struct {
	pairs     []tasks.Pair
	companies map[uuid.UUID]string
	clients   map[int64]string
}

func (c *Console) itemNames(v *visit, run repo.Run, pairs []tasks.Pair) (names itemNames, err error) {
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
	if names.companies, err = c.store.CompanyNames(v.r.Context(), v.Tenant, companies); err != nil {
		return names, err
	}
	names.clients, err = c.store.ClientNames(v.r.Context(), v.Tenant, run.ConnectionID, clients)
	return names, err
}

// item names an item's company and client as well as is known: by the names
// of today, else as they were asked for.
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

// asked says what a run was requested for.
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
