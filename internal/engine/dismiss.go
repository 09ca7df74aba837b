package engine

import (
	"context"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Dismiss lets pairs never be suggested again. Each pair has its client by id.
// Nothing is dismissed if a company is unknown or ambiguous.
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
		matches, err := e.store.FindCompanies(ctx, tenant, p.Company, NormaliseName(p.Company))
		if err != nil {
			return 0, err
		}
		company, why := meant(matches)
		if why != "" {
			return 0, usagef("pair %d (%s): %s", i+1, p.Company, why)
		}
		dismissed[i] = repo.CompanyClient{CompanyID: company.ID, ClientID: p.ClientID}
	}
	return e.store.DismissPairs(ctx, tenant, actor, conn.ID, dismissed)
}
