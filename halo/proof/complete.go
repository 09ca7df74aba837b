package proof

import (
	"context"
	"errors"
	"fmt"

	"github.com/halosync/halosync/halo"
)

// MaxPasses is the maximum number of times that one run reads a list that keeps changing.
const MaxPasses = 3

// Complete reports whether the passes over a list, oldest first, prove that they showed
// every client that existed throughout. newInLast is the number of ids that only the last
// pass showed. The reason is for people; it is empty if the list is proved complete.
//
// Halo pages by offset: when a client is deleted, all later clients move up, and the
// client at the page boundary is never shown. So a single pass is a proof only if Halo
// showed as many clients as it counted, in ascending order of id, and no client was
// deleted during the pass. A deletion shows as a falling count, or as additions (ids
// beyond the last id at the start) that the count does not reflect. If Halo does not
// order the list by id, the proof needs a second pass that shows exactly the same ids.
func Complete(passes []halo.Certificate, newInLast int) (complete bool, reason string) {
	last := passes[len(passes)-1]
	if reason := countFault(last); reason != "" {
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
	repeated := countFault(before) == "" && newInLast == 0 &&
		before.Distinct == last.Distinct && before.RecordLast == last.RecordLast &&
		last.RecordMin == last.RecordMax && before.RecordMin == before.RecordMax
	if repeated {
		return true, ""
	}
	return false, reason
}

// countFault compares the number of clients that Halo showed with its own count.
func countFault(c halo.Certificate) string {
	switch {
	case c.Malformed > 0:
		return fmt.Sprintf("%d rows without a usable id", c.Malformed)
	case c.Distinct == 0 && c.Search == "":
		// Every Halo has its "Unknown" client. An agent without the right to read gets
		// an empty list and status 200 (Halo guide 1566).
		return "Halo returned no clients: the application's agent probably lacks the right to read customers"
	case c.RecordLast < 0:
		return "Halo sent no record_count to compare with"
	case c.Distinct < c.RecordLast:
		return fmt.Sprintf("Halo counts %d clients but showed %d", c.RecordLast, c.Distinct)
	}
	return ""
}

// changeFault looks for signs that the list changed while it was read.
func changeFault(c halo.Certificate) string {
	deleted := c.RecordFirst + c.Additions - c.RecordLast
	switch {
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

// CompleteSearch is [Complete] for the result of a search. A result on a single page is a
// snapshot, so its order does not matter.
func CompleteSearch(passes []halo.Certificate, newInLast int) (complete bool, reason string) {
	last := passes[len(passes)-1]
	if reason := countFault(last); reason != "" {
		return false, reason
	}
	if last.Pages == 1 {
		return true, ""
	}
	return Complete(passes, newInLast)
}

// List reads a list of clients that fits into memory and needs no checkpoint.
type List struct {
	Query halo.Query
	// Passes is the maximum number of passes; default: [MaxPasses].
	Passes int
	// Complete decides whether the list is complete; default: the function [Complete].
	Complete func(passes []halo.Certificate, newInLast int) (bool, string)
	// Stop is called after each page; an error stops Read. May be nil.
	Stop func() error
}

// Read reads the list until it is proved complete, at most Passes times. It calls visit
// for each client of each pass and reports whether the client is new. doubt says why
// clients may be missing; it is empty if the list is proved complete.
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
		fresh, err := l.pass(ctx, api, func(c halo.Client) bool {
			isNew := seen.Add(c.ID)
			visit(c, isNew)
			return isNew
		}, &passes)
		if err != nil {
			return "", err
		}
		var complete bool
		if complete, doubt = l.Complete(passes, fresh); complete {
			return "", nil
		}
	}
	return doubt, nil
}

// pass reads the list once and appends its certificate. fresh counts the clients that
// are new.
func (l List) pass(ctx context.Context, api *halo.API, visit func(halo.Client) (isNew bool), passes *[]halo.Certificate) (fresh int, err error) {
	for page, err := range api.Pages(ctx, l.Query, halo.Cursor{}) {
		if err != nil {
			return 0, err
		}
		for _, c := range page.Clients {
			if visit(c) {
				fresh++
			}
		}
		if page.Last {
			*passes = append(*passes, page.Cursor.Certificate)
			return fresh, nil
		}
		if l.Stop != nil {
			if err := l.Stop(); err != nil {
				return 0, err
			}
		}
	}
	return 0, errors.New("the list of clients ended without a last page")
}
