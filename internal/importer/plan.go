package importer

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/listing"
	"github.com/halosync/halosync/repo"
)

// planner decides what happens to each client of a batch. It remembers the companies
// that it has linked, because a dry run does not write them to the database.
type planner struct {
	chosen bool // a person chose each client
	taken  map[uuid.UUID]bool
}

// newPlanner returns a planner for one execution of a run.
func newPlanner(chosen bool) *planner {
	return &planner{chosen: chosen, taken: map[uuid.UUID]bool{}}
}

// plan returns one decision per client, in order. norms are the clients' normalised
// names. A company that one decision links is not a candidate for later clients.
func (p *planner) plan(clients []repo.Client, norms []string, state repo.BatchState) []repo.Decision {
	decisions := make([]repo.Decision, len(clients))
	for i, c := range clients {
		d := p.decide(c, norms[i], state)
		d.Client, d.Norm = c, norms[i]
		if d.Outcome == repo.Linked {
			p.taken[d.CompanyID] = true
		}
		decisions[i] = d
	}
	return decisions
}

const unknownClient = `Halo's "Unknown" client, which collects unmatched records`

func (p *planner) decide(c repo.Client, normName string, state repo.BatchState) repo.Decision {
	if m, ok := state.Mapped[c.ID]; ok {
		return listing.Refresh(c, m)
	}
	switch _, unmapped := state.Unmapped[c.ID]; {
	case unmapped:
		return repo.Decision{Outcome: repo.Skipped, Reason: "unmapped by a person after this run was requested"}
	case c.ID == proof.UnknownClientID && !p.chosen:
		return repo.Decision{Outcome: repo.Skipped, Reason: unknownClient}
	case c.ID == proof.UnknownClientID:
		return repo.Decision{Outcome: repo.Failed, Reason: unknownClient}
	case normName == "":
		return repo.Decision{Outcome: repo.Failed, Reason: "has no name in Halo"}
	case c.Inactive && !p.chosen:
		return repo.Decision{Outcome: repo.Skipped, Reason: "inactive in Halo"}
	}

	switch free, first := p.free(state.Candidates[normName]); free {
	case 0:
		return repo.Decision{Outcome: repo.Created}
	case 1:
		return repo.Decision{Outcome: repo.Linked, CompanyID: first}
	default:
		return repo.Decision{
			Outcome: repo.Ambiguous,
			Reason:  fmt.Sprintf("%d unmapped companies have this name: map the client to one of them", free),
		}
	}
}

// free returns how many candidates are not mapped on this connection, and the first of
// them.
func (p *planner) free(candidates []repo.Candidate) (n int, first uuid.UUID) {
	for _, c := range candidates {
		if c.Mapped || p.taken[c.CompanyID] {
			continue
		}
		if n++; n == 1 {
			first = c.CompanyID
		}
	}
	return n, first
}
