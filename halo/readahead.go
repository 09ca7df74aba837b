package halo

import (
	"fmt"
	"sync"
)

// readahead fetches numbered pages, several at a time, and hands them out in
// order. It is for one goroutine; the fetches run in their own.
type readahead struct {
	fetch  func(number int) (listing, error)
	window int // pages at once, the one in hand included
	next   int // number of the page to hand out next

	flights []chan fetched // of page next and those behind it
	running sync.WaitGroup
}

type fetched struct {
	listing  listing
	err      error
	panicked any
}

// take hands out the next page, asking for it if nobody has yet.
func (r *readahead) take() (listing, error) {
	if len(r.flights) == 0 {
		r.start()
	}
	got := <-r.flights[0]
	r.flights = r.flights[1:]
	r.next++
	if got.panicked != nil {
		panic(fmt.Sprintf("%v (on the way to page %d)", got.panicked, r.next-1))
	}
	return got.listing, got.err
}

// fill asks for the pages that fit into the window, up to page last, which is
// asked for only when all before it have arrived: what it shows, and its
// count, must be younger than all the others.
func (r *readahead) fill(last int) {
	for len(r.flights) < r.window-1 {
		number := r.next + len(r.flights)
		if number > last || number == last && len(r.flights) > 0 {
			return
		}
		r.start()
	}
}

// start asks for the first page that has not been asked for.
func (r *readahead) start() {
	number := r.next + len(r.flights)
	flight := make(chan fetched, 1)
	r.flights = append(r.flights, flight)
	r.running.Go(func() {
		var got fetched
		// A panic belongs to the caller: here it would end the process.
		defer func() {
			got.panicked = recover()
			flight <- got
		}()
		got.listing, got.err = r.fetch(number)
	})
}

// wait returns when no fetch is running any more.
func (r *readahead) wait() { r.running.Wait() }
