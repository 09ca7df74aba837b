package console

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/halosync/halosync/internal/suggest"
	"github.com/halosync/halosync/tasks"
)

const (
	// minScore is the lowest score of the suggestions that the page shows.
	minScore = 0.5
	// suggestTimeout limits how long a person waits. A large Halo has a thousand pages,
	// which take a long time to read within its request limit.
	suggestTimeout = 45 * time.Second
)

// suggest finds pairs that may be the same customer. On failure the wizard keeps the old
// suggestions.
func (c *Console) suggest(r *request, w *mapView) {
	ctx, cancel := context.WithTimeout(r.Context(), suggestTimeout)
	defer cancel()
	found, err := c.engine.Suggest(ctx, r.Tenant, w.Connection, minScore)
	if err != nil {
		w.Alert = r.explain(err)
		if ctx.Err() == context.DeadlineExceeded {
			w.Alert.Title = "Halo PSA has too many companies to compare while you wait"
			w.Alert.Advice = "Use the two searches."
		}
		return
	}
	w.Offered, w.Offers, w.Notices = true, nil, found.Notices
	for _, s := range found.Pairs {
		o := offerOf(s)
		if w.contradicts(o.pair()) == 0 {
			w.Offers = append(w.Offers, o)
		}
	}
	if n := len(w.Offers); n > maxOffers {
		w.Offers = w.Offers[:maxOffers]
		w.Notices = append(w.Notices, fmt.Sprintf("These are the best %d of %s. Decide on them, then refresh the suggestions.", maxOffers, count(n)))
	}
	w.Message, w.Focus = plural(len(w.Offers), "suggestion.", "suggestions."), "offers"
}

func offerOf(s suggest.Suggestion) offer {
	return offer{
		Company: s.CompanyID, Client: s.ClientID, ClientName: shorten(s.ClientName, pickName),
		Score: int(math.Round(s.Score * 100)), Reason: shorten(s.Reason, reasonText), Ambiguous: s.Ambiguous,
	}
}

// decideOffer adds a suggestion to the list or dismisses it permanently.
func (c *Console) decideOffer(r *request, w *mapView, do string, o offer) error {
	w.Focus = "offers"
	if do == "accept" {
		if w.add(o.pair(), "offers", w.Wrong) {
			w.Message = "Pair added."
			w.Offers = slices.DeleteFunc(w.Offers, func(other offer) bool { return other.Company == o.Company || other.Client == o.Client })
		}
		return nil
	}
	_, err := c.engine.Dismiss(r.Context(), r.Tenant, r.Actor, w.Connection, []tasks.Pair{{Company: o.Company.String(), ClientID: o.Client}})
	if err != nil {
		w.Alert = r.explain(err)
		return nil
	}
	w.Offers = slices.DeleteFunc(w.Offers, func(other offer) bool { return other.Company == o.Company && other.Client == o.Client })
	w.Message = "Suggestion dismissed. It will not be shown again."
	return nil
}
