package console

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// minScore is the lowest score of the suggestions that the page shows.
const minScore = 0.5

// offers are the suggestions of a connection. They are stored, so the form does not carry
// them.
type offers struct {
	repo.StoredSuggestions
	Open []repo.Suggestion // those without a company of a pair on the list, the best first
	Run  *repo.Run         // the newest suggest run, running or ended; nil if there is none
}

// Shown returns the suggestions that the page shows.
func (o *offers) Shown() []repo.Suggestion { return o.Open[:min(len(o.Open), maxOffers)] }

// Computed reports whether suggestions have ever been computed.
func (o *offers) Computed() bool { return !o.ComputedAt.IsZero() }

// Running reports whether suggestions are being computed.
func (o *offers) Running() bool { return o.Run != nil && !o.Run.Ended() }

// Failed reports whether the newest run failed or was cancelled. The suggestions, if any,
// are then those of an earlier run.
func (o *offers) Failed() bool {
	return o.Run != nil && (o.Run.State == repo.StateFailed || o.Run.State == repo.StateCancelled)
}

// Message describes the suggestions in words.
func (o *offers) Message() string {
	switch {
	case o.Running():
		return "Suggestions are being computed."
	case o.Failed():
		return "The suggestions could not be computed."
	case o.Computed():
		return plural(len(o.Open), "suggestion.", "suggestions.")
	}
	return ""
}

// percent returns a score in hundredths.
func percent(score float64) int { return int(math.Round(score * 100)) }

// loadOffers reads the suggestions of the connection, unless they have been read already.
func (c *Console) loadOffers(ctx context.Context, w *mapView) error {
	if w.Offers == nil {
		runs, err := c.store.Runs(ctx, w.conn.Tenant, repo.RunFilter{ConnectionID: &w.conn.ID, Kind: repo.KindSuggest, Limit: 1})
		if err != nil {
			return err
		}
		found, err := c.store.Suggestions(ctx, w.conn.Tenant, w.conn.ID, repo.SuggestionFilter{MinScore: minScore})
		if err != nil {
			return err
		}
		w.Offers = &offers{StoredSuggestions: found}
		if len(runs) > 0 {
			w.Offers.Run = &runs[0]
		}
	}
	w.Offers.Open = slices.DeleteFunc(slices.Clone(w.Offers.Pairs), func(s repo.Suggestion) bool {
		return w.contradicts(mapPair{Company: s.CompanyID, Client: s.ClientID}) > 0
	})
	return nil
}

// requestOffers requests a run that computes the suggestions.
func (c *Console) requestOffers(r *request, w *mapView) {
	w.Focus = "offers"
	receipt, err := c.engine.RequestSuggestions(r.Context(), r.Tenant, w.Connection, r.Actor)
	if err != nil {
		w.Alert = r.explain(err)
		return
	}
	w.Unqueued = receipt.NotQueued != nil
	w.Message = "Suggestions are being computed."
}

// mapLive answers htmx with the progress of a run that computes suggestions. When the run
// has ended, the answer loads the suggestions.
func (c *Console) mapLive(r *request) error {
	run, err := r.runAlone()
	if err != nil {
		return err
	}
	if run.Kind != repo.KindSuggest {
		return problem.ErrNoPage
	}
	if !r.htmx() { // a person opened the URL
		return r.redirect("/map?connection="+run.ConnectionID.String(), nil)
	}
	return r.fragment(http.StatusOK, "map", "computing", run)
}

// decideOffer adds a suggestion to the list or dismisses it permanently. The argument pair
// has the ids of its company and its client.
func (c *Console) decideOffer(r *request, w *mapView, do, pair string) error {
	id, number, _ := strings.Cut(pair, ":")
	company, err := uuid.Parse(id)
	if err != nil {
		return errGarbled
	}
	client, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return errGarbled
	}
	if err := c.loadOffers(r.Context(), w); err != nil {
		return err
	}
	w.Focus = "offers"
	same := func(s repo.Suggestion) bool { return s.CompanyID == company && s.ClientID == client }
	at := slices.IndexFunc(w.Offers.Pairs, same)
	switch {
	case at < 0: // decided or mapped elsewhere, or no longer suggested
		w.Wrong.add("offers", "This suggestion is no longer available.")
	case do == "accept":
		name := w.Offers.Pairs[at].ClientName
		if w.add(mapPair{Company: company, Client: client, ClientName: shorten(name, pickName), Suggested: true}, "offers", w.Wrong) {
			w.Message = "Pair added."
		}
	default:
		if _, err := c.engine.Dismiss(r.Context(), r.Tenant, r.Actor, w.Connection, []tasks.Pair{{Company: company.String(), ClientID: client}}); err != nil {
			w.Alert = r.explain(err)
			return nil
		}
		w.Offers.Pairs = slices.DeleteFunc(w.Offers.Pairs, same)
		w.Message = "Suggestion dismissed. It will not be shown again."
	}
	return nil
}

// foundBy returns how many of the suggestions that a run has computed are still open. The
// result ok is false if the run has not stored any list, or if a later run has replaced it.
func (c *Console) foundBy(r *request, run repo.Run) (n int, ok bool, err error) {
	found, err := c.store.Suggestions(r.Context(), r.Tenant, run.ConnectionID, repo.SuggestionFilter{MinScore: minScore, Limit: 1})
	return found.Total, found.RunID == run.ID, err
}
