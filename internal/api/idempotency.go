package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo"
)

const keyHeader = "Idempotency-Key"

func keyParam() *huma.Param {
	least, most := 1, 200
	return &huma.Param{
		Name: keyHeader, In: "header",
		Description: "A text of the caller's that names this request, such as a UUID. The same request under it again within 24 hours " +
			"gets the first one's answer and does nothing; another request gets 422. Only what succeeded is kept: a request that was refused may be tried again.",
		Schema: &huma.Schema{Type: "string", MinLength: &least, MaxLength: &most, Pattern: "^[!-~]+$"},
	}
}

// kept are the headers of an answer that are kept with it.
var kept = []string{"Content-Type", "ETag", "Location"}

// onlyOnce executes a POST with a key once.
func (h *Handler) onlyOnce(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	key := r.Header.Get(keyHeader)
	if _, given := r.Header[keyHeader]; r.Method != http.MethodPost || !given {
		next(ctx)
		return
	}
	if !visible(key) {
		h.refuse(ctx, http.StatusUnprocessableEntity, keyHeader+": want 1 to 200 visible ASCII characters")
		return
	}
	p := principalOf(ctx.Context())
	claim, err := h.store.ClaimRequest(ctx.Context(), p.Tenant, key, printOf(r))
	if err != nil {
		h.answerError(ctx, err)
		return
	}
	if claim.Owner == uuid.Nil {
		replay(w, claim.Answer)
		return
	}
	rec := &recorder{header: make(http.Header), status: http.StatusOK}
	answered := false
	defer func() {
		if !answered { // a panic
			h.settle(ctx.Context(), p, key, claim.Owner, nil)
		}
	}()
	next(humago.NewContext(ctx.Operation(), r, rec))
	answered = true
	h.settle(ctx.Context(), p, key, claim.Owner, rec)
	rec.copyTo(w)
}

// settle keeps the answer to a request that did something, and lets one that
// did not be tried again.
func (h *Handler) settle(ctx context.Context, p access.Principal, key string, owner uuid.UUID, rec *recorder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var err error
	if rec != nil && rec.status < 300 {
		err = h.store.AnswerRequest(ctx, p.Tenant, key, owner, rec.answer())
	} else {
		err = h.store.ReleaseRequest(ctx, p.Tenant, key, owner)
	}
	if err != nil { // the caller has an answer; the same again is refused for five minutes
		h.log.Warn("answer not kept", zap.String("tenant", p.Tenant), zap.Error(err))
	}
}

// answerError is add's translation, for what happens before.
func (h *Handler) answerError(ctx huma.Context, err error) {
	err = h.problemOf(err)
	if with, ok := errors.AsType[huma.HeadersError](err); ok {
		for name, values := range with.GetHeaders() {
			ctx.SetHeader(name, values[0])
		}
	}
	if p, ok := errors.AsType[*huma.ErrorModel](err); ok {
		h.refuse(ctx, p.Status, p.Detail)
	}
}

func visible(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return key != "" && len(key) <= 200
}

// printOf tells requests apart. Of a request with a secret it is itself one:
// the store seals it.
func printOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body) // it is in memory
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", r.Method, r.URL.RequestURI())
	sum.Write(body)
	return hex.EncodeToString(sum.Sum(nil))
}

// replay gives an answer once more.
func replay(w http.ResponseWriter, a repo.Answer) {
	var header http.Header
	if err := json.Unmarshal(a.Header, &header); err == nil {
		for name, values := range header {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the caller may be gone
}

// recorder holds an answer back until it is kept.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func (r *recorder) answer() repo.Answer {
	header := make(http.Header)
	for _, name := range kept {
		if values := r.header.Values(name); len(values) > 0 {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	raw, err := json.Marshal(header)
	if err != nil {
		raw = []byte("{}") // strings always marshal
	}
	return repo.Answer{Status: r.status, Header: raw, Body: r.body.Bytes()}
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // the caller may be gone
}
