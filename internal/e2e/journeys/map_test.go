package halosync_test

import (
	"errors"
	"slices"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
)

// Two existing companies are mapped at once, with +.
func (d *desk) mapInBrowser() {
	d.bakeries()
	d.must("companies", "add", "Brown's Bread", "Ye Olde Smithy", "Somebody Else")
	d.connect()
	d.signIn()
	d.Follow("Map existing company")
	d.Heading("Map existing company")
	d.looked()
	d.pair("Brown's Bread", "bakery 1", "Bakery 14")
	d.Read("1 pair to map")
	d.looked()
	d.pair("Ye Olde Smithy", "forge", "Forge")
	d.Read("2 pairs to map")
	d.looked()
	d.wantMapped()
	d.Press("Finish")
	d.runEnded("succeeded")
	d.looked()
	d.wantMapped("Brown's Bread=Bakery 14", "Ye Olde Smithy=Forge")
}

// pair chooses one on each side by searching for it, and adds the pair.
func (d *desk) pair(company, search, client string) {
	d.t.Helper()
	d.Fill("Search existing companies", company)
	d.Gone("radio", "Somebody Else")
	d.Click("radio", company)
	d.Fill("Search Halo PSA companies", search)
	d.Click("radio", client)
	d.Press("Add the pair")
}

// A long import is watched to its end, and another one cancelled.
func (d *desk) watchInBrowser() {
	d.tenant.Seed(3000, 7)
	d.connect()
	d.signIn()
	d.Follow("Import companies")
	d.Heading("Import companies")
	d.Click("radio", "All companies in Halo PSA")
	d.Press("Next")
	d.previewed()
	d.looked()
	slow := func(latency time.Duration) { d.halo.SetProfile(func(p *halotest.Profile) { p.Latency = latency }) }
	slow(5 * time.Second) // it does not get far while the page is looked at
	d.Press("Finish")
	d.Read("running")
	d.looked()
	slow(1500 * time.Millisecond) // 30 pages, four at once: some 11 s
	d.watched()
	d.runEnded("succeeded")
	d.looked()

	slow(2 * time.Second)
	d.Press("Run again")
	d.Read("running")
	d.Press("Cancel")
	d.runEnded("cancelled")
	d.looked()
}

// watched reads the bar until the run has ended: it moves, and never backwards.
func (d *desk) watched() {
	d.t.Helper()
	var seen []int
	d.Eventually("the run's end", func() error {
		at := browsertest.Evaluate[int](d.Page, `document.querySelector('#outcome') ? -1 : (document.querySelector('progress') || {}).value || 0`)
		if at < 0 {
			return nil
		}
		if len(seen) == 0 || seen[len(seen)-1] != at {
			seen = append(seen, at)
		}
		return errors.New("it goes on")
	})
	if len(seen) < 3 || !slices.IsSorted(seen) {
		d.t.Errorf("the bar stood at %d", seen)
	}
}
