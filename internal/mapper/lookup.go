package mapper

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/listing"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// answer is the result of looking up a client in Halo.
type answer struct {
	repo.Client        // ID 0: no client to map
	refusal     string // why the client cannot be mapped; empty if it can
	ambiguous   bool   // several clients have the name
}

// lookup finds clients in Halo by id and by exact name, and caches them for one
// execution of a run.
type lookup struct {
	api    *halo.API
	byID   map[int64]answer
	byName map[string]answer // by normalised name
}

func newLookup(api *halo.API) *lookup {
	return &lookup{api: api, byID: make(map[int64]answer), byName: make(map[string]answer)}
}

// answer returns the cached result for a pair's client.
func (l *lookup) answer(p tasks.Pair) answer {
	if p.ClientID != 0 {
		return l.byID[p.ClientID]
	}
	return l.byName[names.Normalise(p.ClientName)]
}

// wanted returns the ids and the names of clients that are not in the cache, without
// duplicates. The result byName maps each normalised name to the name.
func (l *lookup) wanted(pairs []tasks.Pair) (ids []int64, byName map[string]string) {
	byName = make(map[string]string)
	for _, p := range pairs {
		if p.ClientID != 0 {
			if _, known := l.byID[p.ClientID]; !known {
				ids = append(ids, p.ClientID)
			}
			continue
		}
		norm := names.Normalise(p.ClientName)
		if _, known := l.byName[norm]; !known {
			byName[norm] = p.ClientName
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), byName
}

// read looks up, one by one, those clients of the pairs that are not in the cache.
func (l *lookup) read(ctx context.Context, pairs []tasks.Pair) error {
	ids, wanted := l.wanted(pairs)
	if err := l.readIDs(ctx, ids); err != nil {
		return err
	}
	for norm, name := range wanted {
		a, err := l.search(ctx, norm, name)
		if err != nil {
			return err
		}
		l.byName[norm] = a
	}
	return nil
}

// maxListPages is the maximum number of pages of a list that is read without a
// checkpoint. At the default request limit, 1,000 pages take about seven minutes.
const maxListPages = 1000

// list reads the whole list if that takes fewer requests than looking up the clients of
// pairs one by one. A list can miss a client, so [lookup.read] looks up the clients that
// the list does not show. If the list is not proved complete, the method read looks up
// every name, because a missed client may have the same name.
func (l *lookup) list(ctx context.Context, pairs []tasks.Pair, draining <-chan struct{}) error {
	ids, wanted := l.wanted(pairs)
	query := halo.Query{IncludeInactive: true, VerifyTail: true}
	pages, err := proof.ListPages(ctx, l.api, query, len(ids)+len(wanted))
	if err != nil || pages == 0 || pages > maxListPages {
		return err
	}
	named := make(map[string][]halo.Client)
	// A second pass, if Halo sends no count or the list changes, takes fewer requests
	// than looking up every name.
	whole := proof.List{Query: query, Passes: 2, Stop: func() error {
		select {
		case <-draining:
			return run.ErrDraining
		default:
			return nil
		}
	}}
	doubt, err := whole.Read(ctx, l.api, func(c halo.Client, isNew bool) {
		if _, ok := slices.BinarySearch(ids, c.ID); ok {
			l.byID[c.ID] = answer{Client: listing.Row(c)}
		}
		norm := names.Normalise(c.Name)
		if _, ok := wanted[norm]; ok && isNew {
			named[norm] = append(named[norm], c)
		}
	})
	if err != nil || doubt != "" {
		return err
	}
	for norm := range wanted {
		l.byName[norm] = pick(named[norm])
	}
	return nil
}

// maxBroken is the maximum number of broken clients in a chunk. More failures count as an
// outage.
const maxBroken = 5

// readIDs reads clients by id. A missing or forbidden client is a result, not an error.
// So is a client for which Halo fails repeatedly while other requests succeed: a broken
// record must not delay the other pairs for a day. An error means that Halo is down,
// throttles requests or rejects the credentials.
func (l *lookup) readIDs(ctx context.Context, ids []int64) error {
	broken, err := l.readAll(ctx, ids)
	if err != nil || len(broken) == 0 {
		return err
	}
	if len(broken) > maxBroken {
		return broken[0].Err
	}
	// The failures may be due to a short outage. A client counts as broken only if a
	// request for it fails again between two successful requests for other clients.
	if err := proof.Alive(ctx, l.api); err != nil {
		return err
	}
	again := make([]int64, len(broken))
	for i, r := range broken {
		again[i] = r.ID
	}
	if broken, err = l.readAll(ctx, again); err != nil || len(broken) == 0 {
		return err
	}
	if err := proof.Alive(ctx, l.api); err != nil {
		return err
	}
	for _, r := range broken {
		l.byID[r.ID] = answer{refusal: fmt.Sprintf("client %d could not be read: %v", r.ID, r.Err)}
	}
	return nil
}

// readAll reads clients by id and returns those for which Halo itself failed.
func (l *lookup) readAll(ctx context.Context, ids []int64) (broken []proof.Reading, err error) {
	readings, err := proof.ByID(ctx, l.api, ids)
	if err != nil {
		return nil, err
	}
	for _, r := range readings {
		switch r.Status {
		case proof.Found:
			l.byID[r.ID] = answer{Client: listing.Row(r.Client)}
		case proof.Missing:
			l.byID[r.ID] = answer{refusal: fmt.Sprintf("Halo shows no client %d: it does not exist, or the agent may not read it", r.ID)}
		case proof.Forbidden:
			l.byID[r.ID] = answer{refusal: fmt.Sprintf("the application's agent is not allowed to read client %d", r.ID)}
		case proof.Invalid:
			l.byID[r.ID] = answer{refusal: fmt.Sprintf("Halo does not accept %d as a client's id", r.ID)}
		case proof.Broken:
			broken = append(broken, r)
		}
	}
	return broken, nil
}

// search finds the client with exactly this name. Halo's search also matches parts of
// the name and other fields.
func (l *lookup) search(ctx context.Context, norm, name string) (answer, error) {
	matches := make(map[int64]halo.Client)
	found := proof.List{Query: halo.Query{Search: name, IncludeInactive: true, VerifyTail: true}, Complete: proof.CompleteSearch}
	why, err := found.Read(ctx, l.api, func(c halo.Client, _ bool) {
		if names.Normalise(c.Name) == norm {
			matches[c.ID] = c
		}
	})
	if err != nil {
		return answer{}, err
	}
	if why != "" {
		return answer{refusal: fmt.Sprintf("could not verify that only one client has this name (%s): use its id", why)}, nil
	}
	return pick(slices.Collect(maps.Values(matches))), nil
}

// pick chooses among clients with the same name. An inactive client cannot be mapped, so
// it does not make the name of an active one ambiguous.
func pick(matches []halo.Client) answer {
	slices.SortFunc(matches, func(a, b halo.Client) int { return cmp.Compare(a.ID, b.ID) })
	active := slices.DeleteFunc(slices.Clone(matches), func(c halo.Client) bool { return c.Inactive })
	if len(active) > 0 {
		matches = active
	}
	switch len(matches) {
	case 0:
		return answer{refusal: "no client in Halo has exactly this name"}
	case 1:
		return answer{Client: listing.Row(matches[0])}
	}
	ids := make([]string, len(matches))
	for i, c := range matches {
		ids[i] = fmt.Sprint(c.ID)
	}
	return answer{ambiguous: true, refusal: "several clients in Halo have this name: " + names.Some(ids)}
}
