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

// sampleSize is the number of known clients that are compared to verify that a connection
// still reads the same Halo.
const sampleSize = 20

// Open opens the connection of a run. If the address or the credentials have changed,
// Open first compares a sample of known clients with Halo. If most names differ, the
// connection probably reads another Halo. Open then freezes the connection and returns
// the result of a held run.
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
	same, err := countRecognised(ctx, api, sample)
	if err != nil {
		return conn, api, run.Result{}, err
	}
	if sameInstance(same, len(sample)) {
		return conn, api, run.Result{}, store.ConfirmInstance(ctx, tenant, id)
	}
	why := fmt.Sprintf("frozen: only %d of %d known clients still have their names, so this looks like another Halo,"+
		" or the agent lacks the right to read them; correct the connection with \"enqueue connection update\" or, if it is right, run \"enqueue runs approve %s\"",
		same, len(sample), runID)
	err = store.SetConnectionState(ctx, tenant, "run:"+runID, id, repo.NeedsReconnect, why)
	return conn, api, run.Result{State: repo.StateHeld, Reason: why}, err
}

// countRecognised counts the clients of a sample that still have their known name in
// Halo. It does not count clients that do not exist or that the agent may not read.
func countRecognised(ctx context.Context, api *halo.API, sample []repo.MappedClient) (int, error) {
	same := 0
	for _, known := range sample {
		r, err := proof.Client(ctx, api, known.ClientID)
		switch {
		case err != nil:
			return 0, err
		case r.Status == proof.Broken:
			if err := proof.Alive(ctx, api); err != nil {
				return 0, err
			}
		case r.Status == proof.Found && names.Normalise(r.Client.Name) == names.Normalise(known.ClientName):
			same++
		}
	}
	return same, nil
}

// sameInstance reports whether at least half of the known clients still have their
// names. Clients are renamed or deleted over time, but hardly ever half of them.
func sameInstance(same, of int) bool { return 2*same >= of }
