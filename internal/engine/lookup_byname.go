package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

// search finds the client with a name through Halo's search, which looks for
// a part of the name and in other fields, too.
func (l *lookup) search(ctx context.Context, norm, name string) (answer, error) {
	matches := make(map[int64]halo.Client)
	query := halo.Query{Search: name, IncludeInactive: true, VerifyTail: true}
	why, err := reread(ctx, l.api, query, provenSearch, func(c halo.Client, _ bool) {
		if NormaliseName(c.Name) == norm {
			matches[c.ID] = c
		}
	})
	if err != nil {
		return answer{}, err
	}
	if why != "" {
		return answer{refusal: fmt.Sprintf("whether one client alone has this name could not be told (%s): give its id", why)}, nil
	}
	return pick(slices.Collect(maps.Values(matches))), nil
}

// provenSearch is [judge] for the result of a search. One that fits on a page
// shows a single moment, in whatever order.
func provenSearch(passes []halo.Certificate, fresh int) (bool, string) {
	last := passes[len(passes)-1]
	if why := counted(last); why != "" {
		return false, why
	}
	if last.Pages == 1 {
		return true, ""
	}
	return judge(passes, fresh)
}

// pick chooses among the clients of one name. An inactive client cannot be
// mapped, so it does not make the name of an active one ambiguous.
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
		return answer{Client: row(matches[0])}
	}
	ids := make([]string, len(matches))
	for i, c := range matches {
		ids[i] = fmt.Sprint(c.ID)
	}
	return answer{ambiguous: true, refusal: "several clients in Halo have this name: " + someOf(ids)}
}

// row is a client as the catalogue keeps it.
func row(c halo.Client) repo.Client {
	return repo.Client{ID: c.ID, Name: c.Name, Inactive: c.Inactive, TopLevelID: c.TopLevelID, TopLevelName: c.TopLevelName}
}
