// Package limits bounds the load that the requests of one tenant or one key can cause, so
// that other tenants are served. It limits the requests per minute, the requests in
// progress and the memory for request bodies. It runs between the authentication and the
// handlers of the API and the console.
package limits

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/bulkhead"
)

const (
	// tenantPerMinute and keyPerMinute are the requests per minute of a tenant, and of one
	// key or one user of the product. A person with five open pages causes about 300.
	tenantPerMinute = 3000
	keyPerMinute    = 1200
	// maxRequests is the number of requests in progress, and maxTenantRequests the part of
	// one tenant. If ten tenants use their whole part, more than a third of the total
	// remains for all others.
	maxRequests       = 512
	maxTenantRequests = 32
	// smallBody is the size in bytes up to which a body needs no reservation.
	smallBody = 64 << 10
	// maxBody is the limit of package access, for a body of unknown length.
	maxBody = 1 << 20
	// retryAfter is the wait after a refusal because too many requests are in progress.
	retryAfter = 2 * time.Second
)

// Config configures a [Handler]. Only Next and Memory are required.
type Config struct {
	// Next serves the requests.
	Next http.Handler
	// Memory is the budget for the bodies of requests.
	Memory *bulkhead.Memory
	// Now returns the current time; default: time.Now.
	Now func() time.Time
	// TenantPerMinute and KeyPerMinute limit the requests per minute; the defaults are
	// 3,000 and 1,200.
	TenantPerMinute, KeyPerMinute int
}

// Handler passes on the requests of a principal that are within the limits. It passes on
// all requests without a principal, because these are for public files. It is safe for
// concurrent use.
type Handler struct {
	next         http.Handler
	memory       *bulkhead.Memory
	now          func() time.Time
	requests     *bulkhead.Bulkhead
	tenant, key  *meters
	limitedTotal [2]atomic.Int64 // refusals because of the tenant's rate, and of the key's
	blocked      blocked
}

// New returns a handler.
func New(cfg Config) *Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TenantPerMinute == 0 {
		cfg.TenantPerMinute = tenantPerMinute
	}
	if cfg.KeyPerMinute == 0 {
		cfg.KeyPerMinute = keyPerMinute
	}
	return &Handler{
		next: cfg.Next, memory: cfg.Memory, now: cfg.Now,
		requests: bulkhead.New("requests", maxRequests, maxTenantRequests),
		tenant:   newMeters(cfg.TenantPerMinute), key: newMeters(cfg.KeyPerMinute),
	}
}

// Requests returns the limit of requests in progress.
func (h *Handler) Requests() *bulkhead.Bulkhead { return h.requests }

// RateLimited returns the number of requests refused because of the rate of their tenant,
// and of their key.
func (h *Handler) RateLimited() (tenant, key int64) {
	return h.limitedTotal[0].Load(), h.limitedTotal[1].Load()
}

// ServeHTTP passes a request on, or refuses it with the reason and the time to wait. A
// tenant that exceeds its own limits gets 429. If all tenants together exceed the limits
// of the worker, the answer is 503.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := access.From(r.Context())
	if !ok {
		h.next.ServeHTTP(w, r)
		return
	}
	if wait := h.meter(w.Header(), p); wait > 0 {
		h.blocked.add(r, h.now().Add(wait), h.now())
		refuse(w, r, http.StatusTooManyRequests, wait, tooManyText)
		return
	}
	leave, err := h.requests.Acquire(r.Context(), 0, p.Tenant, 1)
	if err != nil {
		h.refuseFull(w, r, err)
		return
	}
	defer leave()
	release, err := h.reserve(r, p.Tenant)
	if err != nil {
		h.refuseFull(w, r, err)
		return
	}
	defer release()
	h.next.ServeHTTP(w, r.WithContext(bulkhead.WithPlace(r.Context(), leave)))
}

const tooManyText = "Too many requests. Wait as long as Retry-After says, then continue more slowly."

// meter counts a request against the rates and writes the headers that show them. It
// returns how long the caller must wait, or 0.
//
// The headers are those of draft-ietf-httpapi-ratelimit-headers-10: the policies with
// their quota in requests (q) and window in seconds (w) according to section 3.1, and the
// requests that may be sent now (r) with the time in seconds (t) until there are more,
// according to section 4.1. By section 6, Retry-After is not earlier than t.
func (h *Handler) meter(head http.Header, p access.Principal) time.Duration {
	now := h.now()
	tenant := h.tenant.take(p.Tenant, now)
	key := h.key.take(p.Tenant+"\x00"+p.Actor, now)
	head.Set("RateLimit-Policy", fmt.Sprintf(`"tenant";q=%d;w=60, "key";q=%d;w=60`, h.tenant.perMinute, h.key.perMinute))
	head.Set("RateLimit", fmt.Sprintf(`"tenant";r=%d;t=%d, "key";r=%d;t=%d`, tenant.left, tenant.next, key.left, key.next))
	if tenant.wait > 0 {
		h.limitedTotal[0].Add(1)
	} else if key.wait > 0 {
		h.limitedTotal[1].Add(1)
	}
	return max(tenant.wait, key.wait)
}

// reserve reserves memory for the body of a request, unless it is small.
func (h *Handler) reserve(r *http.Request, tenant string) (release func(), err error) {
	n := r.ContentLength
	if n < 0 || n > maxBody {
		n = maxBody
	}
	if n <= smallBody {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), bodyWait)
	defer cancel()
	release, err = h.memory.Reserve(ctx, tenant, n)
	if err != nil && r.Context().Err() == nil {
		if _, full := bulkhead.IsFull(err); !full {
			err = &bulkhead.FullError{Name: "memory", Tenant: true}
		}
	}
	return release, err
}

// bodyWait limits the wait for the memory of a body. The listener allows 10 s for the
// arrival of the whole request.
const bodyWait = 3 * time.Second

// refuseFull answers a request that exceeds the limit of requests in progress or of memory.
func (h *Handler) refuseFull(w http.ResponseWriter, r *http.Request, err error) {
	full, ok := bulkhead.IsFull(err)
	switch {
	case !ok: // the client has disconnected
		return
	case full.Tenant:
		refuse(w, r, http.StatusTooManyRequests, retryAfter, "Too many requests of your organisation are in progress. Wait until some of them have ended.")
	default:
		refuse(w, r, http.StatusServiceUnavailable, retryAfter, "This worker is busy. Try again in a moment.")
	}
}

// refuse answers a program with a problem document (RFC 9457), and a browser with text.
func refuse(w http.ResponseWriter, r *http.Request, status int, wait time.Duration, detail string) {
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, detail)
		return
	}
	doc, _ := json.Marshal(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail}) // plain values
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(doc) // fails only if the client has disconnected
}
