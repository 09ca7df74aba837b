package mapper

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// companyN returns the id of company n.
func companyN(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("00000000-0000-7000-8000-%012d", n))
}

// activeMapping returns an active mapping of company n and a client.
func activeMapping(n int, client int64) repo.ActiveMapping {
	return repo.ActiveMapping{
		ID: companyN(1000 + n), CompanyID: companyN(n), CompanyName: fmt.Sprintf("Company %d", n),
		ClientID: client, ClientName: fmt.Sprintf("Client %d", client),
	}
}

// asking returns a requested pair with a client that can be mapped.
func asking(number int, client int64) requestedPair {
	return requestedPair{number: number, client: answer{Client: repo.Client{ID: client, Name: fmt.Sprintf("Client %d", client)}}}
}

// mapState returns a state in which pair i matches company companies[i] and the given
// mappings are active.
func mapState(companies []int, active ...repo.ActiveMapping) repo.MapState {
	s := repo.MapState{ByCompany: map[uuid.UUID]repo.ActiveMapping{}, ByClient: map[int64]repo.ActiveMapping{}, Unmapped: map[repo.CompanyClient]bool{}}
	for _, n := range companies {
		s.Companies = append(s.Companies, []repo.CompanyMatch{{ID: companyN(n), Name: fmt.Sprintf("Company %d", n)}})
	}
	for _, f := range active {
		s.ByCompany[f.CompanyID], s.ByClient[f.ClientID] = f, f
	}
	return s
}

func TestMapper(t *testing.T) {
	t.Parallel()
	inactive := asking(1, 12)
	inactive.client.Inactive = true
	missing := requestedPair{number: 1, client: answer{refusal: "client 12 does not exist in Halo"}}
	ambiguous := requestedPair{number: 1, client: answer{refusal: "several clients in Halo have this name: 3, 4", ambiguous: true}}
	none := mapState([]int{1})
	none.Companies[0] = nil
	twins := mapState([]int{1})
	twins.Companies[0] = []repo.CompanyMatch{{ID: companyN(1)}, {ID: companyN(2)}, {ID: companyN(3)}, {ID: companyN(4)}}
	unmapped := mapState([]int{1})
	unmapped.Unmapped[repo.CompanyClient{CompanyID: companyN(1), ClientID: 12}] = true
	earlier := mapState([]int{1}, activeMapping(1, 11))
	earlier.Settled = []repo.SettledPair{{Pair: 3, CompanyID: companyN(1), ClientID: 11}}
	earlierClient := mapState([]int{1}, activeMapping(2, 12))
	earlierClient.Settled = []repo.SettledPair{{Pair: 3, CompanyID: companyN(2), ClientID: 12}}

	for name, tc := range map[string]struct {
		state   repo.MapState
		replace bool
		pairs   []requestedPair
		want    string // outcome, reason and number of replaced mappings, one line per pair
	}{
		"free":                 {mapState([]int{1}), false, []requestedPair{asking(1, 12)}, "mapped"},
		"mapped to the same":   {mapState([]int{1}, activeMapping(1, 12)), false, []requestedPair{asking(1, 12)}, "already mapped"},
		"the same, inactive":   {mapState([]int{1}, activeMapping(1, 12)), false, []requestedPair{inactive}, "already mapped: the client is inactive in Halo"},
		"inactive":             {mapState([]int{1}), true, []requestedPair{inactive}, "refused: client 12 (Client 12) is inactive in Halo"},
		"no such client":       {mapState([]int{1}), true, []requestedPair{missing}, "refused: client 12 does not exist in Halo"},
		"unknown client":       {mapState([]int{1}), true, []requestedPair{asking(1, 1)}, `refused: client 1 is Halo's "Unknown" client, which collects unmatched records`},
		"several clients":      {mapState([]int{1}), true, []requestedPair{ambiguous}, "refused, ambiguous: several clients in Halo have this name: 3, 4"},
		"no such company":      {none, true, []requestedPair{asking(1, 12)}, "refused: no company has this id, external id or name"},
		"both are wrong":       {none, true, []requestedPair{missing}, "refused: no company has this id, external id or name; client 12 does not exist in Halo"},
		"several companies":    {twins, true, []requestedPair{asking(1, 12)}, "refused, ambiguous: several companies have this name: " + companyN(1).String() + ", " + companyN(2).String() + ", " + companyN(3).String() + " and more"},
		"company elsewhere":    {mapState([]int{1}, activeMapping(1, 11)), false, []requestedPair{asking(1, 12)}, "refused: the company is mapped to client 11 (Client 11)"},
		"client elsewhere":     {mapState([]int{1}, activeMapping(2, 12)), false, []requestedPair{asking(1, 12)}, "refused: client 12 is mapped to company " + companyN(2).String() + " (Company 2)"},
		"both elsewhere":       {mapState([]int{1}, activeMapping(1, 11), activeMapping(2, 12)), false, []requestedPair{asking(1, 12)}, "refused: the company is mapped to client 11 (Client 11); client 12 is mapped to company " + companyN(2).String() + " (Company 2)"},
		"replace one":          {mapState([]int{1}, activeMapping(1, 11)), true, []requestedPair{asking(1, 12)}, "mapped, replaces 1"},
		"replace both":         {mapState([]int{1}, activeMapping(1, 11), activeMapping(2, 12)), true, []requestedPair{asking(1, 12)}, "mapped, replaces 2"},
		"unmapped since":       {unmapped, true, []requestedPair{asking(1, 12)}, "refused: unmapped by a person after this run was requested"},
		"twice":                {mapState([]int{1, 1}), false, []requestedPair{asking(1, 12), asking(2, 12)}, "mapped\nalready mapped"},
		"one company twice":    {mapState([]int{1, 1}), true, []requestedPair{asking(1, 12), asking(2, 13)}, "mapped\nrefused: contradicts pair 1, which maps the company to client 12"},
		"one client twice":     {mapState([]int{1, 2}), true, []requestedPair{asking(1, 12), asking(2, 12)}, "mapped\nrefused: contradicts pair 1, which maps the client to company " + companyN(1).String()},
		"already, then other":  {mapState([]int{1, 1}, activeMapping(1, 12)), true, []requestedPair{asking(1, 12), asking(2, 13)}, "already mapped\nrefused: contradicts pair 1, which maps the company to client 12"},
		"chunk before":         {earlier, true, []requestedPair{asking(4, 12)}, "refused: contradicts pair 3, which maps the company to client 11"},
		"chunk before, client": {earlierClient, true, []requestedPair{asking(4, 12)}, "refused: contradicts pair 3, which maps the client to company " + companyN(2).String()},
		"refused, then good":   {mapState([]int{1, 1}), false, []requestedPair{missing, asking(2, 13)}, "refused: client 12 does not exist in Halo\nmapped"},
		"swap":                 {mapState([]int{1, 2}, activeMapping(1, 11), activeMapping(2, 12)), true, []requestedPair{asking(1, 12), asking(2, 11)}, "mapped, replaces 2\nmapped"},
		"freed by the first":   {mapState([]int{1, 2}, activeMapping(1, 11)), true, []requestedPair{asking(1, 12), asking(2, 11)}, "mapped, replaces 1\nmapped"},
	} {
		var got []string
		for i, d := range newDecider(tc.state, tc.replace).decide(tc.pairs) {
			line := string(d.Outcome)
			if d.Ambiguous {
				line += ", ambiguous"
			}
			if d.Reason != "" {
				line += ": " + d.Reason
			}
			if len(d.Replaces) > 0 {
				line += fmt.Sprintf(", replaces %d", len(d.Replaces))
			}
			got = append(got, line)
			if d.Pair != tc.pairs[i].number {
				t.Errorf("%s: decision %d is about pair %d", name, i, d.Pair)
			}
		}
		if s := strings.Join(got, "\n"); s != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", name, s, tc.want)
		}
	}
}
