package halo

import (
	"fmt"
	"sync"
)

// What may wait to be taken before no further page is asked for. Pages of 100
// rows are some 30 kB each, so a run waits with 1.2 MB.
const (
	aheadRows  = 4000
	aheadPages = 48 // those on their way included
)

// readahead fetches numbered pages, several at a time, and hands them out in
// order. It is for one goroutine; the fetches run in their own, and each that
// ends starts the next: whoever takes pages may be busy for a while.
type readahead struct {
	fetch  func(number int) (listing, error)
	window int // fetches at once; 1: and only when somebody waits
	next   int // number of the page to hand out next

	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	flights []*arrival // of page next and those behind it
	flying  int        // those that have not arrived
	rows    int        // of those that have
	last    int        // page to read ahead to; 0: no further one is asked for
}

// arrival is one page on its way.
type arrival struct {
	landed chan struct{} // closed when the others are set
	listing
	err      error
	panicked any
}

// take hands out the next page, asking for it if nobody has yet.
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
	r.next++
	if f.panicked != nil {
		panic(fmt.Sprintf("%v (on the way to page %d)", f.panicked, r.next-1))
	}
	return f.listing, f.err
}

// fill lets pages be asked for in advance, up to page last, which is asked for
// only when all before it have arrived: what it shows, and its count, must be
// younger than all the others. 0 ends asking.
func (r *readahead) fill(last int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = last
	r.refill()
}

// refill asks for the pages that there is room for. It needs the lock.
func (r *readahead) refill() {
	if r.window == 1 {
		return
	}
	for r.flying < r.window && r.rows < aheadRows && len(r.flights) < aheadPages {
		number := r.next + len(r.flights)
		if number > r.last || number == r.last && r.flying > 0 {
			return
		}
		r.start()
	}
}

// start asks for the first page that has not been asked for. It needs the lock.
func (r *readahead) start() {
	number := r.next + len(r.flights)
	f := &arrival{landed: make(chan struct{})}
	r.flights = append(r.flights, f)
	r.flying++
	r.running.Go(func() {
		// A panic belongs to the caller: here it would end the process.
		defer func() {
			f.panicked = recover()
			r.land(f)
		}()
		f.listing, f.err = r.fetch(number)
	})
}

// land notes that a page has arrived. Behind one that failed, none is wanted.
func (r *readahead) land(f *arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying--
	r.rows += f.rows
	close(f.landed)
	if f.err != nil || f.panicked != nil {
		r.last = 0
	}
	r.refill()
}

// ahead is how many pages have been asked for and not been taken, and whether
// the first of them is there and good: taking it takes no time.
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

// wait returns when no fetch is running any more.
func (r *readahead) wait() {
	r.fill(0)
	r.running.Wait()
}
