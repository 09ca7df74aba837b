package listing

import (
	"context"
	"fmt"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
)

// sampleSize is how many known clients are compared when it is unsure whether
// a connection still reads the Halo that its mappings come from.
const sampleSize = 20

// Open opens the connection of a run that goes through its clients. If
// address or credentials have changed since Halo's clients were last compared,
// a sample of them is compared first. Another Halo freezes the connection, and
// the ending says so: under the same ids it has other people's clients.
func Open(ctx context.Context, store *repo.Store, d *dial.Dialer, x *run.Execution, class ratelimit.Class) (repo.Connection, *halo.API, run.Result, error) {
	tenant, id, runID := x.Ref.Tenant, x.Ref.ConnectionID, repo.Hex(x.Run.ID)
	conn, api, err := d.Open(ctx, tenant, id, class)
	if err != nil || !conn.InstanceUnsure {
		return conn, api, run.Result{}, err
	}
	sample, err := store.SampleMapped(ctx, tenant, id, sampleSize)
	if err != nil {
		return conn, api, run.Result{}, err
	}
	same, err := recognised(ctx, api, sample)
	if err != nil {
		return conn, api, run.Result{}, err
	}
	if sameInstance(same, len(sample)) {
		return conn, api, run.Result{}, store.ConfirmInstance(ctx, tenant, id)
	}
	why := fmt.Sprintf("frozen: of %d known clients only %d are there under their names, so this looks like another Halo,"+
		" or the agent may not read them; mend it with \"enqueue connection update\", or, if it is right, \"enqueue runs approve %s\"",
		len(sample), same, runID)
	err = store.SetConnectionState(ctx, tenant, "run:"+runID, id, repo.NeedsReconnect, why)
	return conn, api, run.Result{State: repo.StateHeld, Reason: why}, err
}

// recognised counts the clients of a sample that Halo has under the name that
// it told before. A client that cannot be read is not recognised.
func recognised(ctx context.Context, api *halo.API, sample []repo.MappedClient) (int, error) {
	same := 0
	for _, known := range sample {
		r, err := proof.Client(ctx, api, known.ClientID)
		switch {
		case err != nil:
			return 0, err
		case r.Status == proof.Invalid, r.Status == proof.Broken:
			return 0, r.Err
		case r.Status == proof.Found && names.Normalise(r.Client.Name) == names.Normalise(known.ClientName):
			same++
		}
	}
	return same, nil
}

// sameInstance judges a sample: at least half of the known clients must be
// there under their names. A few are renamed or deleted over time, hardly ever
// every other one. Without a sample there is nothing to lose.
func sameInstance(same, of int) bool { return 2*same >= of }
