package halo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/halosync/halosync/internal/bulkhead"
)

const (
	// freeBody is the size in bytes up to which a body needs no reservation in
	// [Config.Memory]. An ordinary page has 200 KB, so it never waits for memory.
	freeBody = 512 << 10
	// mediumBytes is the memory that a body of up to [bulkhead.Medium] bytes needs. When
	// the buffer grows, the old and the new buffer exist at the same time.
	mediumBytes = bulkhead.Medium * 3 / 2
	// After a reservation, the rest of the body must arrive within these times. Otherwise,
	// a slow server could block the memory that all handles share.
	mediumTimeout = 5 * time.Second
	largeTimeout  = 15 * time.Second
)

// errSlowBody ends an attempt that holds memory for too long.
var errSlowBody = errors.New("the rest of a large answer did not arrive in time")

// holding is the memory that an attempt has reserved for its answer.
type holding struct {
	memory  *bulkhead.Memory
	owner   string
	cancel  context.CancelCauseFunc // ends the attempt
	release []func()
	read    int // bytes of the body
}

// readOn reserves n bytes with take, a method of [bulkhead.Memory], and then continues to
// read a body up to a limit. If reading takes longer than the duration within, it ends the
// attempt.
func (h *holding) readOn(ctx context.Context, b []byte, r io.Reader, limit int64, take func(context.Context, string, int64) (func(), error), n int64, within time.Duration) ([]byte, error) {
	release, err := take(ctx, h.owner, n)
	if err != nil {
		return b, err
	}
	h.release = append(h.release, release)
	late := time.AfterFunc(within, func() { h.cancel(fmt.Errorf("%w (%v)", errSlowBody, within)) })
	defer late.Stop()
	b, err = readOn(b, paced{ctx, r, h.memory}, limit)
	h.read = len(b)
	return b, err
}

// paced reads a body in small steps, at the pace that [bulkhead.Memory] permits.
type paced struct {
	ctx    context.Context //nolint:containedctx // of the attempt, for the whole body
	body   io.Reader
	memory *bulkhead.Memory
}

func (p paced) Read(b []byte) (int, error) {
	const maxStep = 64 << 10
	n, err := p.body.Read(b[:min(len(b), maxStep)])
	if late := p.memory.Pace(p.ctx, n); late != nil && err == nil {
		err = late
	}
	return n, err
}

// judge calls f, which decodes the body. It first waits until a large body may be decoded.
func (h *holding) judge(ctx context.Context, f func() *Error) *Error {
	if h.read > bulkhead.Medium {
		done, err := h.memory.Decode(ctx)
		if err != nil {
			return &Error{kind: ErrUnavailable, next: retryLater, cause: err}
		}
		defer done()
	}
	return f()
}

// end releases all reserved memory. The body must not be used afterwards.
func (h *holding) end() {
	if len(h.release) > 0 {
		h.memory.Charge(h.owner, int64(h.read))
	}
	for _, release := range h.release {
		release()
	}
}

// readBody reads a body up to one byte beyond its limit. With compression, a hostile
// server can turn a few bytes into a large body, so all bytes beyond [freeBody] need a
// reservation in the memory that all handles share; see [bulkhead.Memory]. If a server
// announces a longer body than it sends, the buffer has at most maxSpare bytes.
func (a *API) readBody(ctx context.Context, resp *http.Response, limit int64, h *holding) ([]byte, error) {
	b, err := readOn(a.spare.take(resp.ContentLength), resp.Body, min(limit, freeBody))
	if err != nil || limit <= freeBody || len(b) <= freeBody {
		return b, err
	}
	b, err = h.readOn(ctx, b, resp.Body, min(limit, bulkhead.Medium), h.memory.Reserve, mediumBytes, mediumTimeout)
	if err != nil || limit <= bulkhead.Medium || len(b) <= bulkhead.Medium {
		return b, err
	}
	return h.readOn(ctx, b, resp.Body, limit, h.memory.ReserveLarge, limit, largeTimeout)
}

// readOn reads from r and appends to b until r ends or b has one byte more than limit. The
// buffer doubles in size. A buffer of [bulkhead.Medium] bytes grows to the limit at once,
// so that no more than the limit is in use.
func readOn(b []byte, r io.Reader, limit int64) ([]byte, error) {
	end := int(limit) + 1
	for len(b) < end {
		if len(b) == cap(b) {
			size := min(max(2*cap(b), 4<<10), end)
			if size > 2*bulkhead.Medium {
				size = end
			}
			b = append(make([]byte, 0, size), b...)
		}
		n, err := r.Read(b[len(b):min(cap(b), end)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
	return b, nil
}

// spare is a pool of buffers for bodies. It holds up to defaultWindow buffers.
type spare chan []byte

// take returns an empty buffer for a body whose announced length is given in bytes; 0 or
// less means unknown.
func (s spare) take(announced int64) []byte {
	var b []byte
	select {
	case b = <-s:
	default:
	}
	if announced <= 0 {
		return b
	}
	return slices.Grow(b, int(min(announced, maxSpare-1))+1) // the extra byte lets Read reach EOF without growing b
}

// give returns a buffer to the pool. The caller must not use it afterwards.
func (s spare) give(b []byte) {
	if cap(b) == 0 || cap(b) > maxSpare {
		return
	}
	select {
	case s <- b[:0]:
	default:
	}
}
