package halo

import (
	"context"
	"io"
	"net/http"
	"slices"
)

// readBody reads a body up to one byte beyond its limit. Decoded rows are
// small, but a hostile server can fill memory with bodies, and pages are read
// ahead in parallel. So each handle keeps many small bodies but only one large
// body in memory. The worst case for each executing run is (window × largeBody
// + MaxBody) × 1.25, where the quarter is room for growth: 60 MiB with the
// defaults. While a body is moved to a larger buffer, the figure doubles. Only
// the other pages of the same connection wait for the large one. If a server
// announces a length but sends less, the body takes at most maxSpare. So does
// each of the few buffers kept for later bodies.
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

// readOn appends everything from r to b. A small b grows to twice its size, a
// large one by a quarter.
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

// spare is a pool of buffers for bodies. It holds as many buffers as there are
// concurrent requests by default.
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
	return slices.Grow(b, int(min(announced, maxSpare-1))+1) // the extra byte lets the read hit the end
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
