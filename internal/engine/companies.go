package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/mapper"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/suggest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// AddCompanies creates companies by name. externalID is the product's own key for a
// company and is unique per tenant. It is valid only with a single name.
func (e *Engine) AddCompanies(ctx context.Context, tenant, actor string, wanted []string, externalID string) ([]repo.Company, error) {
	if externalID != "" && len(wanted) != 1 {
		return nil, usagef("an external id belongs to one company, and %d names were given", len(wanted))
	}
	rows := make([]repo.NewCompany, len(wanted))
	for i, name := range wanted {
		name = strings.TrimSpace(name)
		if err := plaintext.Check(name); err != nil {
			return nil, usagef("company name %.80q: %v", plaintext.Printable(name), err)
		}
		norm := names.Normalise(name)
		if norm == "" || len(name) > 1000 {
			return nil, usagef("company name %.80q: want 1 to 1000 bytes with a visible character", plaintext.Printable(name))
		}
		rows[i] = repo.NewCompany{Name: name, NormName: norm, ExternalID: externalID}
	}
	companies, err := e.store.AddCompanies(ctx, tenant, actor, rows)
	if errors.Is(err, repo.ErrConflict) {
		return nil, conflictf("external id %q already belongs to another company", externalID)
	}
	return companies, err
}

// suggestWait limits how long a caller waits for another caller's suggestions.
const suggestWait = 5 * time.Second

// Suggest proposes pairs of unmapped companies and unmapped active clients of a
// connection; see [suggest.Find]. If too many callers do so at the same time, it returns a
// [*bulkhead.FullError].
func (e *Engine) Suggest(ctx context.Context, tenant, ref string, minScore float64) (suggest.Suggestions, error) {
	if !(minScore >= 0 && minScore <= 1) { // the negation also rejects NaN
		return suggest.Suggestions{}, usagef("score %v: want 0 to 1", minScore)
	}
	release, err := e.suggestions.Acquire(ctx, suggestWait, tenant, 1)
	if err != nil {
		return suggest.Suggestions{}, err
	}
	defer release()
	conn, api, err := e.browsable(ctx, tenant, ref)
	if err != nil {
		return suggest.Suggestions{}, err
	}
	return suggest.Find(ctx, e.store, api, conn, minScore)
}

// Dismiss excludes pairs from future suggestions and returns the number of pairs that
// it dismissed. Each pair identifies its client by id. If any company is unknown or
// ambiguous, Dismiss dismisses no pair.
func (e *Engine) Dismiss(ctx context.Context, tenant, actor, ref string, pairs []tasks.Pair) (int, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return 0, err
	}
	dismissed := make([]repo.CompanyClient, len(pairs))
	for i, p := range pairs {
		if p.ClientID == 0 {
			return 0, usagef("pair %d: want the client's id", i+1)
		}
		matches, err := e.store.FindCompanies(ctx, tenant, p.Company, names.Normalise(p.Company))
		if err != nil {
			return 0, err
		}
		company, why := mapper.ResolveCompany(matches)
		if why != "" {
			return 0, usagef("pair %d (%s): %s", i+1, p.Company, why)
		}
		dismissed[i] = repo.CompanyClient{CompanyID: company.ID, ClientID: p.ClientID}
	}
	return e.store.DismissPairs(ctx, tenant, actor, conn.ID, dismissed)
}
