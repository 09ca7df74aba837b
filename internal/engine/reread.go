package engine

import (
	"context"
	"errors"

	"github.com/halosync/halosync/halo"
)

// reread reads a list until prove says that it was shown completely, for a use
// that fits into memory and needs no checkpoint: up to maxPasses times, since a
// list may change while it is read. visit is told of each client in each pass,
// and whether it is new. doubt says why there may be more all the same.
func reread(ctx context.Context, api *halo.API, query halo.Query, prove func([]halo.Certificate, int) (bool, string), visit func(c halo.Client, isNew bool)) (doubt string, err error) {
	var seen halo.IDSet
	var passes []halo.Certificate
	for range maxPasses {
		fresh, ended := 0, false
		for page, err := range api.Pages(ctx, query, halo.Cursor{}) {
			if err != nil {
				return "", err
			}
			for _, c := range page.Clients {
				isNew := seen.Add(c.ID)
				if isNew {
					fresh++
				}
				visit(c, isNew)
			}
			if page.Last {
				passes, ended = append(passes, page.Cursor.Certificate), true
			}
		}
		if !ended {
			return "", errors.New("list of clients without an end")
		}
		var complete bool
		if complete, doubt = prove(passes, fresh); complete {
			return "", nil
		}
	}
	return doubt, nil
}
