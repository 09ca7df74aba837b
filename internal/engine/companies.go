package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo"
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
