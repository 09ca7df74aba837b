package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/view"
)

func TestSortMappings(t *testing.T) {
	t.Parallel()
	at := func(hour int) *time.Time { v := time.Date(2026, 3, 10, hour, 0, 0, 0, time.UTC); return &v }
	mappings := []view.Mapping{
		{CompanyName: "delta", ClientName: "A", State: "ok", MappedAt: *at(1), LastVerifiedAt: at(9)},
		{CompanyName: "Charlie", ClientName: "b", State: "ok", MappedAt: *at(3), LastVerifiedAt: at(8)},
		{CompanyName: "Bravo", ClientName: "D", State: "missing", MappedAt: *at(2), LastVerifiedAt: at(7)},
		{CompanyName: "alpha", ClientName: "C", State: "unverified", MappedAt: *at(4)},
		{CompanyName: "Echo", ClientName: "E", State: "inactive", MappedAt: *at(0), LastVerifiedAt: at(6)},
	}
	for order, want := range map[string]string{
		"worst": "Bravo alpha Echo Charlie delta", "company": "alpha Bravo Charlie delta Echo", "client": "delta Charlie alpha Bravo Echo",
		"mapped": "alpha Charlie Bravo delta Echo", "verified": "alpha Echo Bravo Charlie delta",
	} {
		var names []string
		for _, m := range sortMappings(append([]view.Mapping(nil), mappings...), order, 0) {
			names = append(names, m.CompanyName)
		}
		if got := strings.Join(names, " "); got != want || checkSort(order) != nil {
			t.Errorf("%s: %s, want %s", order, got, want)
		}
	}
	if got := sortMappings(mappings, "worst", 2); len(got) != 2 || got[0].CompanyName != "Bravo" {
		t.Errorf("the worst two: %+v", got)
	}
	if checkSort("frob") == nil {
		t.Error("an unknown order was accepted")
	}
}
