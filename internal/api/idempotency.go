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
	minLength, maxLength := 1, 200
	return &huma.Param{
		Name: keyHeader, In: "header",
		Description: "A unique string that identifies this request, such as a UUID. Repeating the same request with the same key within 24 hours " +
			"returns the first answer and does nothing; another request with that key gets 422. Only successful answers are kept, so a refused request can be repeated.",
		Schema: &huma.Schema{Type: "string", MinLength: &minLength, MaxLength: &maxLength, Pattern: "^[!-~]+$"},
	}
}

// kept lists the headers that are stored with a response.
var kept = []string{"Content-Type", "ETag", "Location"}

// onlyOnce executes a POST with an idempotency key at most once.
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
		if !answered { // next panicked
			h.settle(ctx.Context(), p, key, claim.Owner, nil)
		}
	}()
	next(humago.NewContext(ctx.Operation(), r, rec))
	answered = true
	h.settle(ctx.Context(), p, key, claim.Owner, rec)
	rec.copyTo(w)
}

// settle stores the response to a request that succeeded. It releases the key of a request
// that failed, so that the caller can repeat the request.
func (h *Handler) settle(ctx context.Context, p access.Principal, key string, owner uuid.UUID, rec *recorder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var err error
	if rec != nil && rec.status < 300 {
		err = h.store.AnswerRequest(ctx, p.Tenant, key, owner, rec.answer())
	} else {
		err = h.store.ReleaseRequest(ctx, p.Tenant, key, owner)
	}
	if err != nil { // the caller still gets the response, but a repetition is refused for five minutes
		h.log.Warn("store answer failed", zap.String("tenant", p.Tenant), zap.Error(err))
	}
}

// answerError writes the problem for an error in middleware. For an error returned by a
// handler, [add] does this.
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

// printOf returns a fingerprint of the request. The fingerprint of a request with a secret
// would help to guess the secret, so the store encrypts fingerprints.
func printOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body) // cannot fail: the body is in memory
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", r.Method, r.URL.RequestURI())
	sum.Write(body)
	return hex.EncodeToString(sum.Sum(nil))
}

// replay writes a stored response.
func replay(w http.ResponseWriter, a repo.Answer) {
	var header http.Header
	if err := json.Unmarshal(a.Header, &header); err == nil {
		for name, values := range header {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the caller may have disconnected
}

// recorder buffers a response until it is stored.
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
	_, _ = w.Write(r.body.Bytes()) // the caller may have disconnected
}
