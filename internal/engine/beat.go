package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

// beatEvery is how often an execution gives a sign of life; the dispatcher
// believes in one for a minute.
const beatEvery = 10 * time.Second

// alive gives signs of life for an execution until stop is called. The
// context that it returns ends, with [repo.ErrFenced], when the run has become
// somebody else's: this execution could not write any more anyway.
func (e *Engine) alive(parent context.Context, ref repo.RunRef) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			switch err := e.store.Beat(ctx, ref); {
			case errors.Is(err, repo.ErrFenced):
				cancel(err)
			case err != nil && ctx.Err() == nil:
				e.log.Warn("sign of life", zap.String("run", RunID(ref.ID)), zap.Error(err))
			}
		}
	})
	return ctx, func() {
		cancel(nil)
		beating.Wait()
	}
}
