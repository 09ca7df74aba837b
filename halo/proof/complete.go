package proof

import (
	"context"
	"errors"
	"fmt"

	"github.com/halosync/halosync/halo"
)

// MaxPasses is the maximum number of times that one run reads a list that keeps changing.
const MaxPasses = 3

// Complete reports whether the passes over a list, oldest first, prove that every client
// that existed throughout has been seen. The reason is for people; it is empty if the
// list is proved complete.
//
// Halo pages by offset: when a client is deleted, all later clients move up, and the client
// at the page boundary is never shown. So a single pass is a proof only if Halo counted as
// many clients as it showed, in ascending order of id, and nothing was deleted during the
// pass. A deletion appears as a falling count, or as additions (ids beyond the last id at
// the start) that the count does not reflect.
//
// Otherwise the proof needs a second pass that shows exactly the same ids. A client that
// the first pass missed has moved up because another client, which the pass had shown, was
// deleted. The second pass does not show the deleted client. This proof needs neither an
// order nor a count. A count that is smaller than the number of clients does not prevent
// the proof. A larger count does, because Halo then has clients that it did not return.
func Complete(passes []halo.Certificate) (complete bool, reason string) {
	last := passes[len(passes)-1]
	if reason := gap(last); reason != "" {
		return false, reason
	}
	reason = changeFault(last)
	if reason == "" {
		return true, ""
	}
	if len(passes) < 2 {
		return false, reason
	}
	before := passes[len(passes)-2]
	if gap(before) == "" && before.Distinct == last.Distinct && before.Sum == last.Sum {
		return true, ""
	}
	return false, reason
}

// Unpaged reports whether the pass shows a single page that is also the answer for page 2,
// without any evidence that it is the only page.
func Unpaged(c halo.Certificate) bool {
	return c.Unpaged || c.RecordLast < 0 && c.Pages == 2 && c.Ended == halo.EndedRepeat
}

// gap says why the pass has certainly or probably missed some clients.
func gap(c halo.Certificate) string {
	switch {
	case c.Malformed > 0:
		return fmt.Sprintf("%d rows without a usable id", c.Malformed)
	case c.Distinct == 0 && c.Search == "":
		// Every Halo has its "Unknown" client. An agent without the right to read gets
		// an empty list and status 200 (Halo guide 1566).
		return "Halo returned no clients: the application's agent probably lacks the right to read customers"
	case c.Distinct < c.RecordLast:
		return fmt.Sprintf("Halo counts %d clients but showed %d", c.RecordLast, c.Distinct)
	case Unpaged(c):
		return fmt.Sprintf("Halo showed %d clients on page 1 and sent them again as page 2, so it may have more", c.Distinct)
	}
	return ""
}

// changeFault looks for signs that the list changed while it was read, and for a count
// that does not match the list.
func changeFault(c halo.Certificate) string {
	deleted := c.RecordFirst + c.Additions - c.RecordLast
	switch {
	case c.RecordLast < 0:
		return "Halo sent no record_count to compare with"
	case c.Distinct > c.RecordMax:
		return fmt.Sprintf("Halo counts %d clients but showed %d", c.RecordLast, c.Distinct)
	case !c.Ascending:
		return "Halo did not list the clients in the order of their ids"
	case c.Drops > 0 || deleted > 0:
		return fmt.Sprintf("the list changed while it was read (%d clients at the start, %d at the end)", c.RecordFirst, c.RecordLast)
	case c.Distinct > c.RecordLast:
		return fmt.Sprintf("Halo counts %d clients but showed %d", c.RecordLast, c.Distinct)
	case deleted < 0:
		// The count grew by more than the clients added at the end. So a client, such as
		// a restored one, appeared in the middle and moved the later clients down.
		return fmt.Sprintf("the list grew in the middle while it was read (%d clients at the start, %d at the end)", c.RecordFirst, c.RecordLast)
	}
	return ""
}

// CompleteSearch is [Complete] for the result of a search. A result on a single page
// reflects a single moment, so its order does not matter.
func CompleteSearch(passes []halo.Certificate) (complete bool, reason string) {
	last := passes[len(passes)-1]
	if reason := gap(last); reason != "" {
		return false, reason
	}
	if last.Pages == 1 {
		return true, ""
	}
	return Complete(passes)
}

// List configures the reading of a list of clients that fits into memory and needs no
// checkpoint.
type List struct {
	Query halo.Query
	// Passes is the maximum number of passes; default: [MaxPasses].
	Passes int
	// Complete decides whether the list is complete; default: the function [Complete].
	Complete func(passes []halo.Certificate) (bool, string)
	// Stop is called after each page; an error stops Read. May be nil.
	Stop func() error
}

// Read reads the list until it is proved complete, at most Passes times. It calls visit
// with each client of each pass and with whether the client is new. The result doubt says
// why clients may be missing; it is empty if the list is proved complete.
func (l List) Read(ctx context.Context, api *halo.API, visit func(c halo.Client, isNew bool)) (doubt string, err error) {
	if l.Passes == 0 {
		l.Passes = MaxPasses
	}
	if l.Complete == nil {
		l.Complete = Complete
	}
	var seen halo.IDSet
	var passes []halo.Certificate
	for range l.Passes {
		cert, err := l.pass(ctx, api, func(c halo.Client) { visit(c, seen.Add(c.ID)) })
		if err != nil {
			return "", err
		}
		passes = append(passes, cert)
		var complete bool
		if complete, doubt = l.Complete(passes); complete {
			return "", nil
		}
	}
	return doubt, nil
}

// pass reads the list once.
func (l List) pass(ctx context.Context, api *halo.API, visit func(halo.Client)) (halo.Certificate, error) {
	for page, err := range api.Pages(ctx, l.Query, halo.Cursor{}) {
		if err != nil {
			return halo.Certificate{}, err
		}
		for _, c := range page.Clients {
			visit(c)
		}
		if page.Last {
			return page.Cursor.Certificate, nil
		}
		if l.Stop != nil {
			if err := l.Stop(); err != nil {
				return halo.Certificate{}, err
			}
		}
	}
	return halo.Certificate{}, errors.New("the list of clients ended without a last page")
}
