package halo

import (
	"context"
	"io"
	"net/http"
	"slices"
)

// readBody reads a body up to one byte beyond its limit. Pages are read ahead
// in parallel, so a hostile server could fill memory with large bodies. Each
// handle therefore keeps many small bodies in memory, but only one large body.
// Other pages of the same connection wait until that body has been used.
//
// Each executing run needs at most (window × largeBody + MaxBody) × 1.25 of
// memory: 60 MiB with the defaults. The factor 1.25 is room for growth. The
// amount doubles while a body is copied to a larger buffer. If a server
// announces a length but sends less, the body takes at most maxSpare. Each
// buffer kept for later bodies also takes at most maxSpare.
func (a *API) readBody(ctx context.Context, resp *http.Response, limit int64, large *bool) ([]byte, error) {
	small := min(limit, largeBody) + 1
	first, err := readOn(a.spare.take(resp.ContentLength), io.LimitReader(resp.Body, small))
	if err != nil || int64(len(first)) < small || limit <= largeBody {
		return first, err
	}
	select {
	case a.large <- struct{}{}:
		*large = true
	case <-ctx.Done():
		return first, ctx.Err()
	}
	return readOn(first, io.LimitReader(resp.Body, limit+1-int64(len(first))))
}

// readOn appends everything from r to b. A small buffer doubles in size, and a
// large buffer grows by a quarter.
func readOn(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, min(max(len(b), 4<<10), maxSpare))
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// spare is a pool of buffers for bodies. It holds up to defaultWindow buffers.
type spare chan []byte

// take returns an empty buffer for a body of the announced length in bytes;
// 0 or less means unknown.
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
