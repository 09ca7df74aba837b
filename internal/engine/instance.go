package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo"
)

// sampleSize is how many known clients are compared when it is unsure whether
// a connection still reads the Halo that its mappings come from.
const sampleSize = 20

// openSame opens the connection of a run that goes through its clients. If
// address or credentials have changed since Halo's clients were last compared,
// a sample of them is compared first. Another Halo freezes the connection, and
// the ending says so: under the same ids it has other people's clients.
func (e *Engine) openSame(ctx context.Context, claim repo.Claim, class ratelimit.Class) (repo.Connection, *halo.API, ending, error) {
	tenant, id := claim.Ref.Tenant, claim.Ref.ConnectionID
	conn, api, err := e.open(ctx, tenant, id, class)
	if err != nil || !conn.InstanceUnsure {
		return conn, api, ending{}, err
	}
	sample, err := e.store.SampleMapped(ctx, tenant, id, sampleSize)
	if err != nil {
		return conn, api, ending{}, err
	}
	same, err := recognised(ctx, api, sample)
	if err != nil {
		return conn, api, ending{}, err
	}
	if sameInstance(same, len(sample)) {
		return conn, api, ending{}, e.store.TrustInstance(ctx, tenant, id)
	}
	why := fmt.Sprintf("frozen: of %d known clients only %d are there under their names, so this looks like another Halo,"+
		" or the agent may not read them; mend it with \"enqueue connection update\", or, if it is right, \"enqueue runs approve %s\"",
		len(sample), same, RunID(claim.Run.ID))
	err = e.store.SetConnectionState(ctx, tenant, "run:"+RunID(claim.Run.ID), id, repo.NeedsReconnect, why)
	return conn, api, ending{state: repo.StateHeld, reason: why}, err
}

// recognised counts the clients of a sample that Halo has under the name that
// it told before. A client that cannot be read is not recognised.
func recognised(ctx context.Context, api *halo.API, sample []repo.MappedClient) (int, error) {
	same := 0
	for _, known := range sample {
		c, err := api.Client(ctx, known.ClientID)
		switch {
		case err == nil && NormaliseName(c.Name) == NormaliseName(known.ClientName):
			same++
		case err == nil, errors.Is(err, halo.ErrNotFound), errors.Is(err, halo.ErrForbidden):
		default:
			return 0, err
		}
	}
	return same, nil
}

// sameInstance judges a sample: at least half of the known clients must be
// there under their names. A few are renamed or deleted over time, hardly ever
// every other one. Without a sample there is nothing to lose.
func sameInstance(same, of int) bool { return 2*same >= of }
