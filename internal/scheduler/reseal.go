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
	// resealAtOnce is how many credentials share a transaction, which locks
	// their connections for its few milliseconds.
	resealAtOnce = 50
	// resealBatches bounds what one tick does: others wait for it.
	resealBatches = 10
	// keysEvery is how often a worker looks at the keys when nothing is to be done.
	keysEvery = 15 * time.Second
)

// resealer seals what is under keys older than this worker's primary one with
// that, so that a rotation ends by itself, and tells of credentials that this
// worker cannot open: each once.
type resealer struct {
	store *repo.Store
	log   *zap.Logger

	next   time.Time // not looked at before
	going  bool      // in the middle of a pass
	cursor repo.ResealCursor
	sealed int // in this pass
	keys   map[uint32]bool
	stuck  map[uuid.UUID]bool
	locked int // credentials under keys that this worker does not have
}

// look does one tick's part. now is any clock that does not go back.
func (w *resealer) look(ctx context.Context, now time.Time) error {
	if now.Before(w.next) {
		return nil
	}
	if !w.going {
		uses, err := w.store.KeyUses(ctx)
		if err != nil {
			return err
		}
		if w.going = w.judge(uses); !w.going {
			w.next = now.Add(keysEvery)
			return nil
		}
		w.cursor, w.sealed = repo.ResealCursor{}, 0
	}
	for range resealBatches {
		r, err := w.store.ResealSecrets(ctx, w.cursor, resealAtOnce)
		if err != nil {
			return err
		}
		w.cursor = r.Next
		w.sealed += r.Sealed
		for _, s := range r.Stuck {
			w.tellStuck(s)
		}
		if r.Done {
			w.end(now)
			return nil
		}
	}
	return nil
}

// judge says whether something is sealed with an older key, and tells of keys
// that this worker does not have.
func (w *resealer) judge(uses []repo.KeyUse) (older bool) {
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
			what := fmt.Sprintf("credentials are sealed with key %d, which is not in this worker's key set: give it the new one", u.ID)
			if u.Role == repo.KeyUnreadable {
				what = "credentials are stored in a form that is not halosync's"
			}
			w.log.Warn(what, zap.Int("credentials", u.Secrets))
		}
	}
	return older
}

func (w *resealer) tellStuck(s repo.StuckSecret) {
	if w.stuck[s.Connection] {
		return
	}
	if w.stuck == nil {
		w.stuck = make(map[uuid.UUID]bool)
	}
	w.stuck[s.Connection] = true
	w.log.Error("credentials do not open, and stay as they are",
		zap.String("tenant", s.Tenant), zap.Stringer("connection", s.Connection), zap.Error(s.Err))
}

func (w *resealer) end(now time.Time) {
	if w.sealed > 0 {
		w.log.Info("credentials sealed anew with the primary key", zap.Int("credentials", w.sealed))
	}
	w.going, w.next = false, now.Add(keysEvery)
}
