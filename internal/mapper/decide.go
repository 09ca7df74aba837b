package mapper

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/repo"
)

// requestedPair is a requested pair with the client that Halo returned for it.
type requestedPair struct {
	number  int // in the request, from 1
	company string
	client  answer
}

// decider decides the outcome of each pair of a chunk. Each decision updates the state
// for the next decision.
type decider struct {
	state   repo.MapState
	replace bool
}

func newDecider(state repo.MapState, replace bool) *decider {
	return &decider{state: state, replace: replace}
}

// decide returns one decision per pair, in order.
func (m *decider) decide(pairs []requestedPair) []repo.PairDecision {
	decisions := make([]repo.PairDecision, len(pairs))
	for i, p := range pairs {
		d := m.pair(p, m.state.Companies[i])
		d.Pair = p.number
		m.record(d)
		decisions[i] = d
	}
	return decisions
}

// pair decides on one pair. The parameter matches holds the companies that match the pair's
// text.
func (m *decider) pair(p requestedPair, matches []repo.CompanyMatch) repo.PairDecision {
	d := repo.PairDecision{Outcome: repo.Refused, Client: p.client.Client}
	company, why := ResolveCompany(matches)
	d.CompanyID, d.Ambiguous = company.ID, len(matches) > 1 || p.client.ambiguous
	var faults []string
	if why != "" {
		faults = append(faults, why)
	}
	switch {
	case p.client.refusal != "":
		faults = append(faults, p.client.refusal)
	case p.client.ID == proof.UnknownClientID:
		faults = append(faults, `client 1 is Halo's "Unknown" client, which collects unmatched records`)
	}
	if len(faults) > 0 {
		d.Reason = strings.Join(faults, "; ")
		return d
	}

	conflicts := m.conflicts(company.ID, p.client.ID)
	switch {
	case len(conflicts) == 1 && conflicts[0].CompanyID == company.ID && conflicts[0].ClientID == p.client.ID:
		d.Outcome = repo.AlreadyMapped
		if p.client.Inactive {
			d.Reason = "the client is inactive in Halo"
		}
	case p.client.Inactive:
		d.Reason = fmt.Sprintf("client %d (%s) is inactive in Halo", p.client.ID, p.client.Name)
	case m.contradiction(company.ID, p.client.ID) != "":
		d.Reason = m.contradiction(company.ID, p.client.ID)
	case m.state.Unmapped[repo.CompanyClient{CompanyID: company.ID, ClientID: p.client.ID}]:
		d.Reason = "unmapped by a person after this run was requested"
	case len(conflicts) > 0 && !m.replace:
		d.Reason = conflictReason(conflicts, company.ID)
	default:
		d.Outcome, d.Replaces = repo.Mapped, conflicts
	}
	return d
}

// ResolveCompany returns the only company that matches a pair, or the reason why there is
// no single match.
func ResolveCompany(matches []repo.CompanyMatch) (repo.CompanyMatch, string) {
	switch len(matches) {
	case 0:
		return repo.CompanyMatch{}, "no company has this id, external id or name"
	case 1:
		return matches[0], ""
	}
	ids := make([]string, len(matches))
	for i, c := range matches {
		ids[i] = c.ID.String()
	}
	return repo.CompanyMatch{}, "several companies have this name: " + names.Some(ids)
}

// conflicts returns the active mappings of the company and of the client. If they are
// mapped to each other, it returns only that mapping.
func (m *decider) conflicts(company uuid.UUID, client int64) []repo.ActiveMapping {
	var conflicts []repo.ActiveMapping
	if f, ok := m.state.ByCompany[company]; ok {
		conflicts = append(conflicts, f)
		if f.ClientID == client {
			return conflicts
		}
	}
	if f, ok := m.state.ByClient[client]; ok {
		conflicts = append(conflicts, f)
	}
	return conflicts
}

// contradiction names the earlier pair in the request that maps the company or the client
// differently. It returns an empty string if there is no such pair.
func (m *decider) contradiction(company uuid.UUID, client int64) string {
	for _, s := range m.state.Settled {
		switch {
		case s.CompanyID == company && s.ClientID == client:
		case s.CompanyID == company:
			return fmt.Sprintf("contradicts pair %d, which maps the company to client %d", s.Pair, s.ClientID)
		case s.ClientID == client:
			return fmt.Sprintf("contradicts pair %d, which maps the client to company %s", s.Pair, s.CompanyID)
		}
	}
	return ""
}

// conflictReason describes what the company and the client are mapped to.
func conflictReason(conflicts []repo.ActiveMapping, company uuid.UUID) string {
	var reasons []string
	for _, f := range conflicts {
		if f.CompanyID == company {
			reasons = append(reasons, fmt.Sprintf("the company is mapped to client %d (%s)", f.ClientID, f.ClientName))
			continue
		}
		reasons = append(reasons, fmt.Sprintf("client %d is mapped to company %s (%s)", f.ClientID, f.CompanyID, f.CompanyName))
	}
	return strings.Join(reasons, "; ")
}

// record updates the state with a decision.
func (m *decider) record(d repo.PairDecision) {
	if d.Outcome == repo.Refused {
		return
	}
	m.state.Settled = append(m.state.Settled, repo.SettledPair{Pair: d.Pair, CompanyID: d.CompanyID, ClientID: d.Client.ID})
	if d.Outcome != repo.Mapped {
		return
	}
	for _, f := range d.Replaces {
		delete(m.state.ByCompany, f.CompanyID)
		delete(m.state.ByClient, f.ClientID)
	}
	f := repo.ActiveMapping{CompanyID: d.CompanyID, ClientID: d.Client.ID, ClientName: d.Client.Name}
	m.state.ByCompany[d.CompanyID], m.state.ByClient[d.Client.ID] = f, f
}
