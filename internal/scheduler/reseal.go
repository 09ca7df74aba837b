package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

const (
	// resealBatch is the number of credentials in one transaction. The transaction
	// locks their connections for a few milliseconds.
	resealBatch = 50
	// maxResealBatches is the maximum number of transactions in one tick.
	maxResealBatches = 10
	// keysEvery is how often a worker checks the keys if no credential needs resealing.
	keysEvery = 15 * time.Second
)

// resealer reseals credentials that are encrypted with an older key than this worker's
// primary key, which completes a key rotation. For each credential that this worker cannot
// decrypt, it writes only one log entry.
type resealer struct {
	store *repo.Store
	log   *zap.Logger

	next   time.Time // time of the next check
	going  bool      // a pass is in progress
	cursor repo.ResealCursor
	sealed int                // credentials resealed in this pass
	keys   map[uint32]bool    // missing keys that have been logged
	stuck  map[uuid.UUID]bool // connections that have been logged
	locked int                // credentials encrypted with keys that this worker does not have
}

// tick does the work of one tick. The time now must come from a monotonic clock.
func (w *resealer) tick(ctx context.Context, now time.Time) error {
	if now.Before(w.next) {
		return nil
	}
	if !w.going {
		uses, err := w.store.KeyUses(ctx)
		if err != nil {
			return err
		}
		if w.going = w.hasOlder(uses); !w.going {
			w.next = now.Add(keysEvery)
			return nil
		}
		w.cursor, w.sealed = repo.ResealCursor{}, 0
	}
	for range maxResealBatches {
		r, err := w.store.ResealSecrets(ctx, w.cursor, resealBatch)
		if err != nil {
			return err
		}
		w.cursor = r.Next
		w.sealed += r.Sealed
		for _, s := range r.Stuck {
			w.logStuck(s)
		}
		if r.Done {
			return w.end(ctx, now)
		}
	}
	return nil
}

// hasOlder reports whether any credential is encrypted with an older key. It logs the
// keys that are not in this worker's key set.
func (w *resealer) hasOlder(uses []repo.KeyUse) (older bool) {
	w.locked = 0
	for _, u := range uses {
		switch u.Role {
		case secret.Reads:
			older = older || u.Secrets > 0
		case repo.KeyMissing, repo.KeyUnreadable:
			w.locked += u.Secrets
			if w.keys[u.ID] {
				continue
			}
			if w.keys == nil {
				w.keys = make(map[uint32]bool)
			}
			w.keys[u.ID] = true
			what := fmt.Sprintf("credentials are sealed with key %d, which is not in this worker's key set: give this worker the new key set", u.ID)
			if u.Role == repo.KeyUnreadable {
				what = "credentials are stored in an unknown form"
			}
			w.log.Warn(what, zap.Int("credentials", u.Secrets))
		}
	}
	return older
}

func (w *resealer) logStuck(s repo.StuckSecret) {
	if w.stuck[s.Connection] {
		return
	}
	if w.stuck == nil {
		w.stuck = make(map[uuid.UUID]bool)
	}
	w.stuck[s.Connection] = true
	w.log.Error("credentials cannot be decrypted, left unchanged",
		zap.String("tenant", s.Tenant), zap.Stringer("connection", s.Connection), zap.Error(s.Err))
}

// end ends a pass. If the pass resealed a credential, it has completed a rotation, which
// end records.
func (w *resealer) end(ctx context.Context, now time.Time) error {
	w.going, w.next = false, now.Add(keysEvery)
	if w.sealed == 0 {
		return nil
	}
	w.log.Info("credentials resealed with the primary key", zap.Int("credentials", w.sealed))
	return w.store.AddSecurityEvents(ctx, repo.SecurityEvent{
		Kind: repo.SecurityKeysetRotated, Outcome: repo.SecuritySucceeded, Actor: "worker", Detail: fmt.Sprintf("credentials sealed with the primary key: %d", w.sealed),
	})
}
