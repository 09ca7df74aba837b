package halo

import (
	"fmt"
	"sync"
)

// Reading ahead pauses when this many rows, bytes or pages are waiting for the caller. A
// page of 100 rows takes some 30 kB, so a run buffers up to 1.2 MB. A page in flight
// counts as many bytes as the largest page so far. A hostile Halo can therefore exceed the
// limit only once, by the size of the pages that are in flight at that time.
const (
	aheadRows  = 4000
	aheadBytes = 4 << 20
	aheadPages = 48 // including pages in flight
)

// readahead fetches numbered pages, several at a time, and returns them in
// order. Only one goroutine may take pages. Each fetch runs in its own goroutine and, when
// it ends, starts the next fetch, so fetching continues while the caller is busy.
type readahead struct {
	fetch  func(number int) (listing, error)
	window int // maximum number of concurrent fetches; 1: fetch only in take
	next   int // number of the next page to return

	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	flights []*arrival // pages from next on
	flying  int        // flights that have not arrived
	rows    int        // number of rows on pages that have arrived
	bytes   int        // memory of pages that have arrived
	largest int        // memory of the largest page that has arrived
	last    int        // page to read ahead to; 0: stop reading ahead
}

// arrival is one page in flight.
type arrival struct {
	landed chan struct{} // closed when all other fields are set
	listing
	err      error
	panicked any
}

// take returns the next page. If the fetch of that page has not started yet, take starts
// it.
func (r *readahead) take() (listing, error) {
	r.mu.Lock()
	if len(r.flights) == 0 {
		r.start()
	}
	f := r.flights[0]
	r.mu.Unlock()
	<-f.landed

	r.mu.Lock()
	defer r.mu.Unlock()
	r.flights = r.flights[1:]
	r.rows -= f.rows
	r.bytes -= f.bytes
	r.next++
	if f.panicked != nil {
		panic(fmt.Sprintf("%v (while fetching page %d)", f.panicked, r.next-1))
	}
	return f.listing, f.err
}

// fill allows reading ahead up to page number last; 0 stops reading ahead. The
// last page is fetched only after all earlier pages have arrived, because its
// rows and its count must be more recent than theirs.
func (r *readahead) fill(last int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = last
	r.refill()
}

// refill starts as many fetches as the bounds permit. The caller holds r.mu.
func (r *readahead) refill() {
	if r.window == 1 {
		return
	}
	for r.flying < r.window && r.rows < aheadRows && r.bytes+r.flying*r.largest < aheadBytes && len(r.flights) < aheadPages {
		number := r.next + len(r.flights)
		if number > r.last || number == r.last && r.flying > 0 {
			return
		}
		r.start()
	}
}

// start starts the next fetch. The caller holds r.mu.
func (r *readahead) start() {
	number := r.next + len(r.flights)
	f := &arrival{landed: make(chan struct{})}
	r.flights = append(r.flights, f)
	r.flying++
	r.running.Go(func() {
		// Pass a panic to the caller. In this goroutine, it would end the
		// process.
		defer func() {
			f.panicked = recover()
			r.land(f)
		}()
		f.listing, f.err = r.fetch(number)
	})
}

// land records that a page has arrived. After a failed page, no more pages are
// fetched.
func (r *readahead) land(f *arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying--
	r.rows += f.rows
	r.bytes += f.bytes
	r.largest = max(r.largest, f.bytes)
	close(f.landed)
	if f.err != nil || f.panicked != nil {
		r.last = 0
	}
	r.refill()
}

// ahead returns the number of pages that have been requested but not taken. The result
// ready reports whether the first of these pages has arrived without an error; taking it
// then does not block.
func (r *readahead) ahead() (pages int, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.flights) == 0 {
		return 0, false
	}
	select {
	case <-r.flights[0].landed:
		ready = r.flights[0].err == nil && r.flights[0].panicked == nil
	default:
	}
	return len(r.flights), ready
}

// wait stops reading ahead and waits until the running fetches end.
func (r *readahead) wait() {
	r.fill(0)
	r.running.Wait()
}
