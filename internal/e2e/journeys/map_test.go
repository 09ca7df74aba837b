package journeys

import (
	"fmt"
	"strings"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
)

// The technician maps an existing company to an existing client with the +
// button.
func (tech *technician) mapInBrowser() {
	tech.bakeries()
	tech.Tenant.Add(halotest.Client{ID: 201, Name: "Quarry Stone"})
	tech.Must("companies", "add", "Brown's Bread", "Ye Olde Smithy", "Somebody Else", "Quarry Stone Ltd")
	tech.Connect()
	tech.signIn()
	tech.Follow("Map existing company")
	tech.Heading("Map existing company")
	tech.audit()
	tech.pair("Brown's Bread", "bakery 1", "Bakery 14")
	tech.Read("1 pair to map")
	tech.inspect()
	tech.pairDuringSearches("Ye Olde Smithy", "forge", "Forge")
	tech.Read("2 pairs to map")
	tech.audit()
	tech.addSuggested()
	tech.wantMapped()
	tech.Press("Finish")
	tech.runEnded("succeeded")
	tech.inspect()
	tech.wantMapped("Brown's Bread=Bakery 14", "Quarry Stone Ltd=Quarry Stone", "Ye Olde Smithy=Forge")
}

// addSuggested requests suggestions and adds one of them. Pairs on the list, and text that
// is typed while the suggestions are computed, stay.
func (tech *technician) addSuggested() {
	tech.T.Helper()
	gate := tech.holdPage(1) // the list that the run reads
	tech.Press("Find suggestions")
	tech.Read("read so far")
	tech.audit()
	tech.Fill("Search existing companies", "quarry")
	browsertest.Evaluate[bool](tech.Page, `document.querySelector('#company_search').kept = true`)
	gate.Open()
	tech.See("button", "Add Quarry Stone Ltd and Quarry Stone")
	tech.Read("Suggestions of ")
	if !browsertest.Evaluate[bool](tech.Page, `document.querySelector('#company_search').kept === true`) {
		tech.T.Error("the search was replaced, and with it what was typed during the request")
	}
	if at := tech.Focused(); !strings.HasPrefix(at, "searchbox") {
		tech.T.Errorf("the focus is now on %s", at)
	}
	tech.Press("Add Quarry Stone Ltd and Quarry Stone")
	tech.Read("3 pairs to map")
	tech.inspect()
}

// pairDuringSearches adds a pair while a search is answered slowly and another search waits.
// The press of the button is not lost.
func (tech *technician) pairDuringSearches(company, search, client string) {
	tech.T.Helper()
	tech.choose(company, search, client)
	gate := tech.holdPage(1)
	tech.Fill("Search Halo PSA companies", client)
	tech.Installation.Eventually("the search is being answered", func() bool { return gate.Held() > 0 })
	tech.Press("Add the pair")
	browsertest.Evaluate[bool](tech.Page, `document.querySelector('button[value="find"]').click() ?? true`)
	gate.Open()
	tech.Halo.ClearFaults()
}

// pair selects a company on each side and adds the pair.
func (tech *technician) pair(company, search, client string) {
	tech.T.Helper()
	tech.choose(company, search, client)
	tech.Press("Add the pair")
}

// choose selects a company on each side.
func (tech *technician) choose(company, search, client string) {
	tech.T.Helper()
	tech.Fill("Search existing companies", company)
	tech.Gone("radio", "Somebody Else")
	tech.Click("radio", company)
	tech.Fill("Search Halo PSA companies", search)
	tech.Click("radio", client)
}

// The technician watches one import to the end and cancels another. Gates in Halo PSA hold
// each import while the test reads the import's page.
func (tech *technician) watchInBrowser() {
	tech.Tenant.Seed(800, 7) // eight pages
	tech.Connect()
	tech.signIn()
	tech.Follow("Import companies")
	tech.Heading("Import companies")
	tech.Click("radio", "All active companies in Halo PSA")
	tech.Press("Next")
	tech.previewed()
	tech.inspect()
	gates := []*halotest.Gate{tech.holdPage(3), tech.holdPage(5), tech.holdPage(7)}
	tech.Press("Finish")
	tech.Read("running")
	at := tech.barBeyond(0)
	tech.audit()
	for _, gate := range gates {
		gate.Open()
		if gate != gates[2] {
			at = tech.barBeyond(at)
		}
	}
	tech.runEnded("succeeded")
	tech.inspect()

	tech.Halo.ClearFaults()
	gate := tech.holdPage(3)
	tech.Press("Run again")
	tech.Read("running")
	tech.Press("Cancel")
	tech.Read("The run stops after the current page.")
	gate.Open()
	tech.runEnded("cancelled")
	tech.audit()
}

// holdPage holds requests for one page of Halo's list.
func (tech *technician) holdPage(number int) *halotest.Gate {
	return tech.Halo.Gate(halotest.Rule{Route: halotest.RouteList, Page: number})
}

// barBeyond waits until a run's progress bar has advanced and returns its
// value. The bar must never move backwards.
func (tech *technician) barBeyond(before int) (at int) {
	tech.T.Helper()
	tech.Page.Eventually("the bar moves", func() error {
		at = browsertest.Evaluate[int](tech.Page, `(document.querySelector('progress') || {}).value || 0`)
		if at < before {
			tech.T.Fatalf("the bar moved from %d to %d", before, at)
		}
		if at == before {
			return fmt.Errorf("the bar is at %d", at)
		}
		return nil
	})
	return at
}
