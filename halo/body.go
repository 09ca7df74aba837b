package halo

import (
	"context"
	"io"
	"net/http"
	"slices"
)

// readBody reads a body up to one byte beyond its limit. What is decoded from
// it is small; the bodies are what a hostile server can fill memory with, and
// pages are read ahead in parallel. So each handle has many small bodies and
// one large one in memory. At worst that are, for each run that is executed,
// (window × largeBody + MaxBody) × 1.25 for spare room as a body grows: 60 MiB
// with the defaults, and as much again in the moment in which it is moved.
// Nobody but the same connection's other pages waits for the large one. What a
// server announces and does not send takes maxSpare at most, and so does each of
// the few buffers that wait for the next body.
func (a *API) readBody(ctx context.Context, resp *http.Response, limit int64, large *bool) ([]byte, error) {
	most := min(limit, largeBody) + 1
	first, err := readOn(a.spare.take(resp.ContentLength), io.LimitReader(resp.Body, most))
	if err != nil || int64(len(first)) < most || limit <= largeBody {
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

// readOn appends all that r has to b. It doubles b while it is small, and then
// lets it grow by a quarter.
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

// spare is the memory of bodies that have been read, for the next ones: as many
// as are on their way at once by default.
type spare chan []byte

// take returns an empty buffer that suits a body of so many bytes, as far as
// that is known (more than 0).
func (s spare) take(announced int64) []byte {
	var b []byte
	select {
	case b = <-s:
	default:
	}
	if announced <= 0 {
		return b
	}
	return slices.Grow(b, int(min(announced, maxSpare-1))+1) // one byte more shows that it ends there
}

// give takes a buffer that nobody uses any more.
func (s spare) give(b []byte) {
	if cap(b) == 0 || cap(b) > maxSpare {
		return
	}
	select {
	case s <- b[:0]:
	default:
	}
}
