package console

import (
	"fmt"
	"math"
	"slices"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// minScore is the lowest score of the suggestions that the page shows.
const minScore = 0.5

// suggest shows the stored suggestions and requests new ones. On failure the wizard keeps
// the old suggestions.
func (c *Console) suggest(r *request, w *mapView) {
	_, err := c.engine.RequestSuggestions(r.Context(), r.Tenant, w.Connection, r.Actor)
	if err != nil {
		w.Alert = r.explain(err)
		return
	}
	found, err := c.engine.Suggestions(r.Context(), r.Tenant, w.Connection, repo.SuggestionFilter{MinScore: minScore})
	if err != nil {
		w.Alert = r.explain(err)
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

func offerOf(s repo.Suggestion) offer {
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
