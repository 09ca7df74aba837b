package console

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/tasks"
)

const (
	// leastScore is from where on a suggestion is worth a look.
	leastScore = 0.5
	// suggestPatience bounds how long a person waits: a large Halo has a thousand
	// pages to read, within its limit of requests.
	suggestPatience = 45 * time.Second
)

// suggest asks for pairs that may be the same customer. A failure leaves what
// was there.
func (c *Console) suggest(v *visit, w *mapView) {
	ctx, cancel := context.WithTimeout(v.r.Context(), suggestPatience)
	defer cancel()
	found, err := c.engine.Suggest(ctx, v.Tenant, w.Connection, leastScore)
	if err != nil {
		f := v.explain(err)
		if ctx.Err() == context.DeadlineExceeded {
			f.Title = "Halo PSA has too many companies to compare while you wait"
			f.Advice = "Use the two searches."
		}
		w.Alert = &f
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
	w.Said, w.Focus = plural(len(w.Offers), "suggestion.", "suggestions."), "offers"
}

func offerOf(s engine.Suggestion) offer {
	return offer{
		Company: s.CompanyID, Client: s.ClientID, ClientName: shorten(s.ClientName, pickName),
		Score: int(math.Round(s.Score * 100)), Reason: shorten(s.Reason, reasonText), Ambiguous: s.Ambiguous,
	}
}

// decideOffer adds a suggestion to the list, or lets it never come back.
func (c *Console) decideOffer(v *visit, w *mapView, do string, o offer) error {
	w.Focus = "offers"
	if do == "accept" {
		if w.add(o.pair(), "offers", w.Wrong) {
			w.Said = "Pair added."
			w.Offers = slices.DeleteFunc(w.Offers, func(other offer) bool { return other.Company == o.Company || other.Client == o.Client })
		}
		return nil
	}
	_, err := c.engine.Dismiss(v.r.Context(), v.Tenant, v.Actor, w.Connection, []tasks.Pair{{Company: o.Company.String(), ClientID: o.Client}})
	if err != nil {
		f := v.explain(err)
		w.Alert = &f
		return nil
	}
	w.Offers = slices.DeleteFunc(w.Offers, func(other offer) bool { return other.Company == o.Company && other.Client == o.Client })
	w.Said = "Suggestion dismissed. It will not be shown again."
	return nil
}
