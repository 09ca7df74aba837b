package engine

import (
	"context"

	"github.com/halosync/halosync/halo"
)

// fewIDs is a number of clients that are read one by one without asking first
// how many pages a listing would take.
const fewIDs = 20

// listingPages returns how many pages a listing has if reading all of them is
// the cheaper way, in requests, to so many clients; 0 if it is not.
func listingPages(ctx context.Context, api *halo.API, query halo.Query, wanted int) (int, error) {
	if wanted <= fewIDs {
		return 0, nil
	}
	page, err := api.Page(ctx, query, 1)
	if err != nil || page.Rows == 0 {
		return 0, err
	}
	if pages := page.RecordCount/page.Rows + 1; wanted > pages+1 {
		return pages, nil
	}
	return 0, nil
}
