package cli

import (
	"testing"

	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

// A number agrees with its noun.
func TestRunWithOnePage(t *testing.T) {
	t.Parallel()
	seen := func(r view.Run) string {
		for _, c := range runDetail {
			if c.title == "clients_seen" {
				return c.value(r)
			}
		}
		return "no column"
	}
	for want, r := range map[string]view.Run{
		"1 on 1 page, complete":    {Kind: repo.KindImport, Records: 1, Pages: 1, Complete: true},
		"150 on 2 pages, of 1,200": {Kind: repo.KindImport, Records: 150, Pages: 2, RecordsTotal: 1200},
		"0 on 0 pages":             {Kind: repo.KindResync},
	} {
		if got := seen(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
