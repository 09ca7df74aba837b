package limits

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

const (
	// maxSignIn limits the body of a form to sign in, in bytes: a key and a path.
	maxSignIn = 16 << 10
	// maxBlocked is the maximum number of blocked credentials in memory.
	maxBlocked = 1000
)

// Front limits requests before next authenticates them, which costs a query. Requests
// without a principal cannot count against a tenant, so their bodies must be small. After
// valid credentials have used up their rate, Front refuses their further requests without
// authentication. Only the owner of the credentials can cause such a refusal.
func (h *Handler) Front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := h.blocked.wait(r, h.now()); wait > 0 {
			refuse(w, r, http.StatusTooManyRequests, wait, tooManyText)
			return
		}
		if r.URL.Path == "/signin" || r.URL.Path == "/signout" {
			r.Body = http.MaxBytesReader(w, r.Body, maxSignIn)
		}
		next.ServeHTTP(w, r)
	})
}

// blocked maps the hash of blocked credentials to the time until which their requests are
// refused. The zero value is empty.
type blocked struct {
	mu    sync.Mutex
	until map[[32]byte]time.Time
}

// credentialsOf returns a hash of the credentials of a request. It returns false if the
// request has none.
func credentialsOf(r *http.Request) (sum [32]byte, ok bool) {
	key, cookie := r.Header.Get("Authorization"), r.Header.Get("Cookie")
	return sha256.Sum256([]byte(key + "\x00" + cookie)), key != "" || cookie != ""
}

// add blocks the credentials of a request. The credentials must have been valid.
func (b *blocked) add(r *http.Request, until, now time.Time) {
	sum, ok := credentialsOf(r)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.until) >= maxBlocked {
		for old, end := range b.until {
			if !end.After(now) {
				delete(b.until, old)
			}
		}
	}
	if b.until == nil || len(b.until) >= maxBlocked {
		b.until = map[[32]byte]time.Time{} // their next requests block them again
	}
	b.until[sum] = until
}

// wait returns how long the credentials of a request are still blocked, or 0.
func (b *blocked) wait(r *http.Request, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.until) == 0 {
		return 0
	}
	sum, ok := credentialsOf(r)
	if !ok {
		return 0
	}
	return max(0, b.until[sum].Sub(now))
}
