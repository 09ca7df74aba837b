package view

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Run is one request with all its attempts.
type Run struct {
	ID           string        `json:"id" pattern:"^[0-9a-f]{32}$" example:"0193f2a4c5d77e0a9b1c2d3e4f506172"`
	Kind         repo.RunKind  `json:"kind" enum:"import,map,unmap,resync,suggest"`
	Tenant       string        `json:"tenant"`
	ConnectionID string        `json:"connection_id" format:"uuid"`
	State        repo.RunState `json:"state" enum:"queued,running,succeeded,partial,held,failed,cancelled" doc:"partial: ended, but something could not be read or done; error says what and why. held: ended before a change that a person must approve."`
	Attempt      int           `json:"attempt"`
	RequestedBy  string        `json:"requested_by"`
	QueuedAt     time.Time     `json:"queued_at"`
	StartedAt    *time.Time    `json:"started_at"`
	FinishedAt   *time.Time    `json:"finished_at"`
	Pages        int           `json:"pages" doc:"Pages of Halo's list that were written."`
	Records      int           `json:"records" doc:"Clients, pairs or mappings processed."`
	RecordsTotal int           `json:"records_total" doc:"0 if unknown."`
	Complete     bool          `json:"complete" doc:"Whether the run read the whole list."`
	Created      int           `json:"created" doc:"Companies created, with their mapping."`
	Linked       int           `json:"linked" doc:"Mappings created for existing companies."`
	Refreshed    int           `json:"refreshed"`
	Unchanged    int           `json:"unchanged"`
	Ambiguous    int           `json:"ambiguous"`
	Skipped      int           `json:"skipped" doc:"Clients left out on purpose, such as inactive ones."`
	Failed       int           `json:"failed" doc:"Clients, pairs or mappings that could not be processed. A run with failed or ambiguous items is partial."`
	Missing      int           `json:"missing" doc:"Mappings whose client is no longer visible in Halo."`
	Unverified   int           `json:"unverified" doc:"Mappings that could not be verified."`
	Removed      int           `json:"removed" doc:"Mappings unmapped."`
	DryRun       bool          `json:"dry_run" doc:"Nothing was written."`
	WaitReason   string        `json:"wait_reason" doc:"What the run is waiting for."`
	Error        string        `json:"error" doc:"Why the run did not succeed, in a sentence."`
	// Stack is the stack trace of a panic. Only the CLI sets it, for operators.
	Stack string `json:"stack,omitempty" hidden:"true"`
	// LinesPassedOver is the number of lines in the input file that contain no id or pair.
	// Only the command that read the file sets it.
	LinesPassedOver int    `json:"lines_passed_over,omitempty" hidden:"true"`
	Items           []Item `json:"items" nullable:"false" doc:"Items that need a person's attention, at most 1,000; empty in lists."`
	Pairs           []Pair `json:"pairs" nullable:"false" doc:"Outcome of each pair of a map run; empty in lists."`
}

// Item is one of a run's clients or companies that needs a person's attention.
type Item struct {
	ClientID  *int64       `json:"client_id,omitempty"`
	CompanyID *string      `json:"company_id,omitempty" format:"uuid"`
	Outcome   repo.Outcome `json:"outcome"`
	Reason    string       `json:"reason"`
}

// Pair is the outcome of one pair of a request.
type Pair struct {
	Pair      int          `json:"pair" doc:"Number of the pair in the request, from 1."`
	Line      int          `json:"line,omitempty" doc:"Line of the file that the pair came from."`
	Company   string       `json:"company" doc:"As given in the request."`
	Client    string       `json:"client" doc:"As given in the request."`
	CompanyID *string      `json:"company_id" format:"uuid"`
	ClientID  *int64       `json:"client_id"`
	Outcome   repo.Outcome `json:"outcome"`
	Reason    string       `json:"reason"`
}

// NewRun returns the view of a run without the stack trace.
func NewRun(r repo.Run) Run {
	v := Run{
		ID: engine.RunID(r.ID), Kind: r.Kind, Tenant: r.Tenant, ConnectionID: r.ConnectionID.String(),
		State: r.State, Attempt: r.Attempt, RequestedBy: r.RequestedBy,
		QueuedAt: r.QueuedAt.UTC(), StartedAt: UTC(r.StartedAt), FinishedAt: UTC(r.FinishedAt),
		Pages: r.Pages, Records: r.Records, RecordsTotal: r.RecordsTotal, Complete: r.Complete,
		Created: r.Created, Linked: r.Linked, Refreshed: r.Refreshed, Unchanged: r.Unchanged,
		Ambiguous: r.Ambiguous, Skipped: r.Skipped, Failed: r.Failed, Missing: r.Missing, Unverified: r.Unverified, Removed: r.Removed,
		DryRun: engine.IsDryRun(r), WaitReason: r.WaitReason, Error: r.Error, Items: []Item{}, Pairs: NewPairs(r),
	}
	asked := make(map[int]Pair, len(v.Pairs))
	for _, p := range v.Pairs {
		asked[p.Pair] = p
	}
	for _, item := range r.Items {
		i := Item{Outcome: item.Outcome, Reason: item.Reason}
		i.CompanyID, i.ClientID = itemIDs(item)
		if p, ok := asked[item.Pair]; ok {
			i.Reason = p.where() + ": " + i.Reason
		}
		v.Items = append(v.Items, i)
	}
	return v
}

// NewPairs returns the outcomes of the pairs of a map run.
func NewPairs(run repo.Run) []Pair {
	views := []Pair{}
	var asked []tasks.Pair
	if len(run.Pairs) > 0 {
		asked, _ = engine.Pairs(run) // stored arguments are valid
	}
	for _, item := range run.Pairs {
		v := Pair{Pair: item.Pair, Outcome: item.Outcome, Reason: item.Reason}
		if item.Pair <= len(asked) {
			p := asked[item.Pair-1]
			v.Line, v.Company, v.Client = p.Line, p.Company, p.ClientName
			if p.ClientID != 0 {
				v.Client = fmt.Sprint(p.ClientID)
			}
		}
		v.CompanyID, v.ClientID = itemIDs(item)
		views = append(views, v)
	}
	return views
}

// where returns the location of a pair for messages: its line in the file or its number
// in the request.
func (v Pair) where() string {
	if v.Line > 0 {
		return fmt.Sprintf("line %d", v.Line)
	}
	return fmt.Sprintf("pair %d", v.Pair)
}

// Undo is the result of undoing a run.
type Undo struct {
	RunID     string `json:"run_id"`
	Unmapped  int    `json:"unmapped" doc:"Mappings unmapped."`
	Removed   int    `json:"companies_removed" doc:"Companies deleted."`
	Gone      int    `json:"gone" doc:"Mappings and companies that had already been deleted."`
	LeftCount int    `json:"left_count" doc:"Mappings and companies left unchanged."`
	Left      []Left `json:"left" nullable:"false" doc:"What was left unchanged, at most 1,000."`
}

// Left is a mapping or a company that an undo left unchanged.
type Left struct {
	MappingID   *string `json:"mapping_id" format:"uuid" doc:"Null for a company."`
	CompanyID   string  `json:"company_id" format:"uuid"`
	CompanyName string  `json:"company_name"`
	ClientID    *int64  `json:"client_id"`
	Reason      string  `json:"reason"`
}

// NewUndo returns the view of an undo.
func NewUndo(u engine.Undo) Undo {
	return Undo{
		RunID: u.RunID, Unmapped: u.Unmapped, Removed: u.Removed, Gone: u.Gone,
		LeftCount: u.LeftCount, Left: Each(u.Left, newLeft),
	}
}

func newLeft(k repo.Kept) Left {
	v := Left{CompanyID: k.CompanyID.String(), CompanyName: k.CompanyName, Reason: k.Reason}
	if k.MappingID != uuid.Nil {
		v.MappingID = idText(&k.MappingID)
	}
	if k.ClientID != 0 {
		v.ClientID = &k.ClientID
	}
	return v
}
