package console

import (
	"cmp"
	"slices"
	"time"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/halosync/halosync/repo"
)

// maxSorted is the number of mappings at which a list can be sorted only by age. No
// index supports the other orders, so the page would have to read all mappings.
const maxSorted = 1000

// sortOldest is the reverse of the default order. Both work for any number of mappings.
const sortOldest = "oldest"

// mappingSort is an order of the list.
type mappingSort struct {
	Key, Text string
	Column    string // column whose heading links to this order
	Down      bool
	compare   func(a, b repo.Mapping, names *collate.Collator) int // nil sorts by age
}

var mappingSorts = []mappingSort{
	{"", "Newest first", "mapped", true, nil},
	{sortOldest, "Oldest first", "mapped", false, nil},
	{"company", "Existing company, A to Z", "company", false, byCompany},
	{"company-", "Existing company, Z to A", "company", true, byCompany},
	{"client", "Halo PSA company, A to Z", "client", false, byClient},
	{"client-", "Halo PSA company, Z to A", "client", true, byClient},
	{"state", "Needs attention first", "state", false, byState},
	{"verified", "Oldest verification first", "verified", false, byVerified},
}

func byCompany(a, b repo.Mapping, names *collate.Collator) int {
	return names.CompareString(a.CompanyName, b.CompanyName)
}

func byClient(a, b repo.Mapping, names *collate.Collator) int {
	return names.CompareString(a.ClientName, b.ClientName)
}

// byState sorts by urgency.
func byState(a, b repo.Mapping, _ *collate.Collator) int {
	rank := func(m repo.Mapping) int {
		return slices.Index([]repo.MappingState{repo.MappingMissing, repo.MappingUnverified, repo.MappingInactive, repo.MappingOK}, m.State)
	}
	return cmp.Compare(rank(a), rank(b))
}

func byVerified(a, b repo.Mapping, _ *collate.Collator) int {
	at := func(m repo.Mapping) (t time.Time) {
		if m.LastVerifiedAt != nil {
			t = *m.LastVerifiedAt
		}
		return t
	}
	return at(a).Compare(at(b))
}

func sortOf(key string) mappingSort {
	for _, s := range mappingSorts {
		if s.Key == key {
			return s
		}
	}
	return mappingSorts[0]
}

// sort sorts the mappings in place. Mappings that compare as equal stay sorted by age.
func (s mappingSort) sort(all []repo.Mapping) {
	names := collate.New(language.Und, collate.IgnoreCase)
	slices.SortStableFunc(all, func(a, b repo.Mapping) int {
		if s.Down {
			a, b = b, a
		}
		return s.compare(a, b, names)
	})
}

// heading contains the link and the aria-sort value of a column heading.
type heading struct{ URL, Aria string }

// Heading returns the heading of a column. It links to the list sorted by the column, or in
// reverse order if the list is already sorted by it.
func (p *mappingsPage) Heading(column string) heading {
	now, h := sortOf(p.Sort), heading{Aria: "none"}
	var ways []mappingSort
	for _, s := range mappingSorts {
		if s.Column == column {
			ways = append(ways, s)
		}
	}
	next := ways[0]
	if now.Column == column {
		h.Aria = "ascending"
		if now.Down {
			h.Aria = "descending"
		}
		if i := slices.IndexFunc(ways, func(s mappingSort) bool { return s.Key == now.Key }); i >= 0 {
			next = ways[(i+1)%len(ways)]
		}
	}
	h.URL = p.request.with("sort", next.Key, "after", "", "before", "")
	return h
}
