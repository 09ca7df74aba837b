package proof_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/halo/proof"
)

// With every combination of the paging switches, a list that is proved complete contains
// every client. If Halo's answers permit a proof, the list is proved complete.
func TestCompleteListsHaveEveryClient(t *testing.T) {
	t.Parallel()
	h := halotest.Start(t)
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	transport := halo.NewTransport(allow)
	t.Cleanup(transport.CloseIdleConnections)
	apis := map[int]*halo.API{}
	truth := map[int][]int64{}
	for _, n := range []int{1, 9, 37, 100, 111} { // 37, 100 and 111 = 3 * 37 fill their last page
		tenant := h.Tenant(fmt.Sprint("n", n))
		tenant.App("app", "secret")
		tenant.Seed(n, 1)
		truth[n] = tenant.IDs()
		api, err := halo.New(halo.Config{
			ResourceServer: h.ResourceServer(), AuthServer: h.AuthServer(), Tenant: tenant.Name(),
			ClientID: "app", ClientSecret: "secret", Transport: transport,
		})
		if err != nil {
			t.Fatal(err)
		}
		apis[n] = api
	}
	lists, complete := 0, 0
	for _, p := range pagings() {
		h.SetProfile(func(now *halotest.Profile) { *now = p })
		for n, api := range apis {
			var got []int64
			doubt, err := proof.List{Query: halo.Query{IncludeInactive: true, VerifyTail: true}}.Read(t.Context(), api, func(c halo.Client, isNew bool) {
				if isNew {
					got = append(got, c.ID)
				}
			})
			if err != nil {
				t.Fatalf("%d clients, %+v: %v", n, p, err)
			}
			slices.Sort(got)
			lists++
			whole := slices.Equal(got, truth[n])
			if !whole {
				t.Errorf("%d clients, %+v: read %d, complete %t", n, p, len(got), doubt == "")
			}
			rows := p.PageCap
			// A bare array has no count, and the count of a repeated single page is not
			// treated as one.
			countless := p.BareArray || p.RecordCount == halotest.CountMissing || p.RecordCount == halotest.CountTooSmall && n*2/3 < min(rows, n)
			paged := n > rows || p.PastEnd == halotest.PastEndEmpty
			provable := (!countless || paged) &&
				(p.RecordCount != halotest.CountTooLarge || p.BareArray)
			if provable != (doubt == "") {
				t.Errorf("%d clients, %+v: doubt %q", n, p, doubt)
			}
			if doubt == "" {
				complete++
			}
		}
	}
	t.Logf("%d lists, %d of them proved complete", lists, complete)
}

// pagings returns the combinations of the paging switches.
func pagings() (all []halotest.Profile) {
	for count := range halotest.CountTooLarge + 1 {
		for end := range halotest.PastEndRepeatsFirst + 1 {
			for _, rows := range []int{100, 37} {
				p := halotest.Profile{RateLimit: halotest.Off, RecordCount: count, PastEnd: end, PageCap: rows}
				all = append(all, p)
				p.IgnoreOrder = true
				switch count {
				case halotest.CountNumber:
					all = append(all, p)
					p.BareArray = true
					all = append(all, p)
				case halotest.CountMissing, halotest.CountPage:
					all = append(all, p)
				}
			}
		}
	}
	return all
}
