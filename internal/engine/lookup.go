package engine

import (
	"context"
	"slices"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// answer is what Halo says of a client that was asked for.
type answer struct {
	repo.Client        // ID 0: there is none to be mapped
	refusal     string // why there is none; empty: there is one
	ambiguous   bool   // several have the name
}

// lookup finds clients in Halo, by id and by exact name, and remembers them
// for one execution of a run.
type lookup struct {
	api    *halo.API
	byID   map[int64]answer
	byName map[string]answer // by normalised name
}

func newLookup(api *halo.API) *lookup {
	return &lookup{api: api, byID: make(map[int64]answer), byName: make(map[string]answer)}
}

// answer is what was found for a pair's client, which was read before.
func (l *lookup) answer(p tasks.Pair) answer {
	if p.ClientID != 0 {
		return l.byID[p.ClientID]
	}
	return l.byName[NormaliseName(p.ClientName)]
}

// wanted are the clients of pairs that are not known yet, once each: ids, and
// names by their normalised form.
func (l *lookup) wanted(pairs []tasks.Pair) (ids []int64, names map[string]string) {
	names = make(map[string]string)
	for _, p := range pairs {
		if p.ClientID != 0 {
			if _, known := l.byID[p.ClientID]; !known {
				ids = append(ids, p.ClientID)
			}
			continue
		}
		norm := NormaliseName(p.ClientName)
		if _, known := l.byName[norm]; !known {
			names[norm] = p.ClientName
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), names
}

// read finds the clients of pairs that are not known yet, one by one.
func (l *lookup) read(ctx context.Context, pairs []tasks.Pair) error {
	ids, names := l.wanted(pairs)
	if err := l.readIDs(ctx, ids); err != nil {
		return err
	}
	for norm, name := range names {
		a, err := l.search(ctx, norm, name)
		if err != nil {
			return err
		}
		l.byName[norm] = a
	}
	return nil
}

// longestListing bounds, in pages, a listing that is read in one piece: at the
// usual request limit it takes some seven minutes.
const longestListing = 1000

// list reads the whole listing if that needs fewer requests than to find the
// clients of pairs one by one, and keeps those that are wanted. A listing can
// miss a client, so what it does not show is left to read; so are all names
// if it is not known to be complete, since a name may have a second client.
func (l *lookup) list(ctx context.Context, pairs []tasks.Pair, draining <-chan struct{}) error {
	ids, names := l.wanted(pairs)
	query := halo.Query{IncludeInactive: true, VerifyTail: true}
	pages, err := listingPages(ctx, l.api, query, len(ids)+len(names))
	if err != nil || pages == 0 || pages > longestListing {
		return err
	}
	named := make(map[string][]halo.Client)
	complete := false
	for page, err := range l.api.Pages(ctx, query, halo.Cursor{}) {
		if err != nil {
			return err
		}
		for _, c := range page.Clients {
			if _, ok := slices.BinarySearch(ids, c.ID); ok {
				l.byID[c.ID] = answer{Client: row(c)}
			}
			norm := NormaliseName(c.Name)
			if _, ok := names[norm]; ok {
				named[norm] = append(named[norm], c)
			}
		}
		if page.Last {
			complete, _ = judge([]halo.Certificate{page.Cursor.Certificate}, 0)
			break
		}
		select {
		case <-draining:
			return errDraining
		default:
		}
	}
	if complete {
		for norm := range names {
			l.byName[norm] = pick(named[norm])
		}
	}
	return nil
}
