package cli

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

// worstFirst orders states by urgency.
var worstFirst = []string{repo.MappingMissing, repo.MappingUnverified, repo.MappingInactive, repo.MappingOK}

// mappingOrders are the values of --sort. Equal mappings stay sorted by age.
var mappingOrders = map[string]func(a, b view.Mapping) int{
	"worst": func(a, b view.Mapping) int {
		return cmp.Or(slices.Index(worstFirst, a.State)-slices.Index(worstFirst, b.State), byName(a.CompanyName, b.CompanyName))
	},
	"company":  func(a, b view.Mapping) int { return byName(a.CompanyName, b.CompanyName) },
	"client":   func(a, b view.Mapping) int { return byName(a.ClientName, b.ClientName) },
	"mapped":   func(a, b view.Mapping) int { return b.MappedAt.Compare(a.MappedAt) },
	"verified": func(a, b view.Mapping) int { return orZero(a.LastVerifiedAt).Compare(orZero(b.LastVerifiedAt)) },
}

// sortMappings sorts by one of mappingOrders and returns at most limit mappings (0: all).
func sortMappings(mappings []view.Mapping, order string, limit int) []view.Mapping {
	slices.SortStableFunc(mappings, mappingOrders[order])
	if limit > 0 && len(mappings) > limit {
		return mappings[:limit]
	}
	return mappings
}

func checkSort(order string) error {
	if _, ok := mappingOrders[order]; !ok {
		return usagef("--sort %q: want worst, company, client, mapped or verified", order)
	}
	return nil
}

func byName(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
