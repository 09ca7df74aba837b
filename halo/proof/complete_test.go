package proof

import (
	"strings"
	"testing"

	"github.com/halosync/halosync/halo"
)

// pass returns the certificate of one reading of n clients during which nothing changed.
func pass(n int, change ...func(*halo.Certificate)) halo.Certificate {
	c := halo.Certificate{
		Pages: n/100 + 1, Rows: n, Distinct: n, RecordFirst: n, RecordLast: n, RecordMin: n, RecordMax: n,
		Ascending: true, Ended: "count", IncludeInactive: true,
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func TestComplete(t *testing.T) {
	t.Parallel()
	unordered := func(c *halo.Certificate) { c.Ascending = false }
	otherIDs := func(c *halo.Certificate) { c.Sum++ }
	countless := func(c *halo.Certificate) {
		c.RecordFirst, c.RecordLast, c.RecordMin, c.RecordMax, c.Ended = -1, -1, -1, -1, "empty"
	}
	onePage := func(c *halo.Certificate) { c.Pages, c.Ended = 2, "repeat" }
	counted := func(n int) func(c *halo.Certificate) {
		return func(c *halo.Certificate) {
			c.RecordFirst, c.RecordLast, c.RecordMin, c.RecordMax, c.Ended = n, n, n, n, "empty"
		}
	}
	pageCounts := func(c *halo.Certificate) {
		c.RecordFirst, c.RecordLast, c.RecordMin, c.RecordMax, c.Drops, c.Ended = 100, 50, 50, 100, 1, "repeat"
	}
	unpaged := func(c *halo.Certificate) { c.Unpaged = true }
	grown := func(c *halo.Certificate) { c.RecordFirst, c.RecordMin = 249, 249 }
	for name, tt := range map[string]struct {
		passes []halo.Certificate
		reason string // part of it; empty: complete
	}{
		"calm":              {passes: []halo.Certificate{pass(250)}},
		"one page":          {passes: []halo.Certificate{pass(3)}},
		"grown at the end":  {passes: []halo.Certificate{pass(252, func(c *halo.Certificate) { c.RecordFirst, c.RecordMin, c.Additions = 250, 250, 2 })}},
		"empty search":      {passes: []halo.Certificate{pass(0, func(c *halo.Certificate) { c.Search = "x" })}},
		"empty Halo":        {passes: []halo.Certificate{pass(0)}, reason: "returned no clients"},
		"shortfall":         {passes: []halo.Certificate{pass(250, func(c *halo.Certificate) { c.Distinct = 200 })}, reason: "counts 250 clients but showed 200"},
		"more than counted": {passes: []halo.Certificate{pass(250, func(c *halo.Certificate) { c.Distinct = 251 })}, reason: "counts 250 clients but showed 251"},
		"no count":          {passes: []halo.Certificate{pass(250, func(c *halo.Certificate) { c.RecordFirst, c.RecordLast = -1, -1 })}, reason: "no record_count"},
		"broken rows":       {passes: []halo.Certificate{pass(250, func(c *halo.Certificate) { c.Malformed = 2 })}, reason: "2 rows"},
		"one deleted": {passes: []halo.Certificate{pass(249, func(c *halo.Certificate) {
			c.Distinct, c.RecordFirst, c.RecordMax, c.Drops = 250, 250, 250, 1
		})}, reason: "250 clients at the start, 249 at the end"},
		// The count is unchanged, but a row has moved past the page boundary.
		"one deleted, one added": {passes: []halo.Certificate{pass(250, func(c *halo.Certificate) { c.Additions = 1 })}, reason: "changed while"},
		"one in the middle":      {passes: []halo.Certificate{pass(251, func(c *halo.Certificate) { c.RecordFirst, c.RecordMin = 250, 250 })}, reason: "grew in the middle"},
		"not by id":              {passes: []halo.Certificate{pass(250, unordered)}, reason: "order"},
		"not ordered by id, the same ids twice": {
			passes: []halo.Certificate{pass(250, unordered), pass(250, unordered)},
		},
		"not by id, other ids in the second reading": {
			passes: []halo.Certificate{pass(250, unordered), pass(250, unordered, otherIDs)}, reason: "order",
		},
		"changed, then calm":                           {passes: []halo.Certificate{pass(250, func(c *halo.Certificate) { c.Drops = 1 }), pass(249)}},
		"no count, the same in both readings":          {passes: []halo.Certificate{pass(250, countless), pass(250, countless)}},
		"no count, other ids in the second reading":    {passes: []halo.Certificate{pass(250, countless), pass(250, countless, otherIDs)}, reason: "no record_count"},
		"no count, one page again and again":           {passes: []halo.Certificate{pass(90, countless, onePage), pass(90, countless, onePage)}, reason: "sent them again as page 2"},
		"count too small, the same in both readings":   {passes: []halo.Certificate{pass(250, counted(100)), pass(250, counted(100))}},
		"count too small":                              {passes: []halo.Certificate{pass(250, counted(100))}, reason: "counts 100 clients but showed 250"},
		"count too large, the same in both readings":   {passes: []halo.Certificate{pass(250, counted(251)), pass(250, counted(251))}, reason: "counts 251 clients but showed 250"},
		"count of the page, the same in both readings": {passes: []halo.Certificate{pass(250, pageCounts), pass(250, pageCounts)}},
		"page 1 for every number":                      {passes: []halo.Certificate{pass(100, unpaged), pass(100, unpaged)}, reason: "sent them again as page 2"},
		"restored in the middle, then as before":       {passes: []halo.Certificate{pass(250, unordered), pass(250, grown)}},
		"calm, then short": {
			passes: []halo.Certificate{pass(250, unordered), pass(250, unordered, func(c *halo.Certificate) { c.Distinct = 100 })}, reason: "showed 100",
		},
	} {
		complete, reason := Complete(tt.passes)
		if complete != (tt.reason == "") || complete != (reason == "") || !strings.Contains(reason, tt.reason) {
			t.Errorf("%s: complete %v, %q; want %q", name, complete, reason, tt.reason)
		}
	}
}
