package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
)

// waitError says that there were too many wrong attempts to look at one more.
type waitError struct{ after time.Duration }

func (e *waitError) Error() string { return "too many wrong attempts" }

// seconds is the wait for the header Retry-After, which knows whole ones.
func (e *waitError) seconds() int { return int(e.after/time.Second) + 1 }

// attempt judges something that lets somebody in, and counts it if it does not.
func (g *Guard) attempt(r *http.Request, shown string, judge func(context.Context) error) error {
	client, hash := clientOf(r), sha256.Sum256([]byte(shown))
	return g.lookUp(r.Context(), func(ctx context.Context) error {
		if wait := g.throttle.wait(client, hash, g.now()); wait > 0 {
			return &waitError{wait}
		}
		err := judge(ctx)
		if errors.Is(err, errRefused) {
			g.throttle.wrong(client, hash, g.now())
			g.log.Info("not let in", zap.Stringer("client", client.Addr()), zap.String("path", r.URL.Path))
		}
		return err
	})
}

// door says whether anybody can get in at all. It asks every few seconds.
type door struct {
	alwaysOpen bool
	mu         sync.Mutex
	open       bool
	err        error
	until      time.Time
}

// doorKept is how long an answer is good for.
const doorKept = 3 * time.Second

// isOpen answers requests while there is no key.
func (g *Guard) isOpen(w http.ResponseWriter, r *http.Request) bool {
	open, err := g.door.ask(r.Context(), g.now, g.store.AnyAPIKey)
	switch {
	case err != nil:
		g.unavailable(w, r, err)
		return false
	case !open:
		refuse(w, r, http.StatusServiceUnavailable, closedText)
		return false
	}
	return true
}

const closedText = `There is no API key yet, so nobody can get in here. Make one on a machine that reaches the database, and try again in a few seconds:

  enqueue apikey new NAME --scope admin`

// ask asks whether there is a key. One request asks while the others wait for it.
func (d *door) ask(ctx context.Context, now func() time.Time, any func(context.Context) (bool, error)) (bool, error) {
	if d.alwaysOpen {
		return true, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now().Before(d.until) {
		return d.open, d.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), doorKept)
	defer cancel()
	d.open, d.err = any(ctx)
	d.until = now().Add(doorKept)
	return d.open, d.err
}

// tellToWait answers whoever has tried too often.
func (g *Guard) tellToWait(w http.ResponseWriter, r *http.Request, e *waitError) {
	w.Header().Set("Retry-After", strconv.Itoa(e.seconds()))
	refuse(w, r, http.StatusTooManyRequests, tooMany)
}

const tooMany = "There were too many wrong attempts. Wait a little and try again."

// unavailable answers while it cannot be found out whose request it is.
func (g *Guard) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // else nobody listens any more
		g.log.Warn("sign-in: whose request it is cannot be found out", zap.Error(err))
	}
	w.Header().Set("Retry-After", "5")
	refuse(w, r, http.StatusServiceUnavailable, "The database does not answer, so it cannot be found out whose request this is. Try again in a few seconds.")
}
