package halo

// Certificate collects the facts that tell whether a pass over a list showed
// everything. It draws no conclusion; see "Completeness" in the package
// comment for what follows from what.
type Certificate struct {
	// Pages that were read, the last one included, and their rows.
	Pages int `json:"pages"`
	Rows  int `json:"rows"`
	// Distinct ids among the rows.
	Distinct int `json:"distinct"`
	// Duplicates are rows whose id had been shown before in this pass.
	Duplicates int `json:"duplicates,omitempty"`
	// Malformed are rows without a usable id.
	Malformed int `json:"malformed,omitempty"`

	// RecordFirst and RecordLast are the first and the last record_count that
	// Halo sent, RecordMin and RecordMax the extremes; -1: never sent any.
	RecordFirst int `json:"record_first"`
	RecordLast  int `json:"record_last"`
	RecordMin   int `json:"record_min"`
	RecordMax   int `json:"record_max"`
	// Drops is how often record_count fell from one answer to the next.
	Drops int `json:"drops,omitempty"`

	// Ascending says that all new rows came in ascending order of id.
	Ascending bool `json:"ascending"`
	// LastID is the greatest id shown so far.
	LastID int64 `json:"last_id,omitempty"`
	// TailID is the greatest id at the start; 0: not requested
	// ([Query.VerifyTail]) or not known.
	TailID int64 `json:"tail_id,omitempty"`
	// Additions are ids beyond TailID. 0 without a TailID.
	Additions int `json:"additions,omitempty"`

	// Ended says what ended the pass: "count" (all that Halo counts have been
	// shown), "empty" (a page without rows), "repeat" (a page without a new
	// id). Empty: the pass has not ended.
	Ended string `json:"ended,omitempty"`

	// Search and IncludeInactive are the filters of the list.
	Search          string `json:"search,omitempty"`
	IncludeInactive bool   `json:"include_inactive,omitempty"`
}

// Values of [Certificate.Ended].
const (
	EndedCount  = "count"
	EndedEmpty  = "empty"
	EndedRepeat = "repeat"
)

// newCertificate starts a pass.
func newCertificate(q Query) Certificate {
	return Certificate{
		RecordFirst: unknownCount, RecordLast: unknownCount, RecordMin: unknownCount, RecordMax: unknownCount,
		Ascending: true, Search: q.Search, IncludeInactive: q.IncludeInactive,
	}
}

// observeCount notes the record_count of an answer, if it has one.
func (c *Certificate) observeCount(n int) {
	if n < 0 {
		return
	}
	if c.RecordFirst < 0 {
		c.RecordFirst, c.RecordMin, c.RecordMax, c.RecordLast = n, n, n, n
		return
	}
	if n < c.RecordLast {
		c.Drops++
	}
	c.RecordLast = n
	c.RecordMin, c.RecordMax = min(c.RecordMin, n), max(c.RecordMax, n)
}

// observeNew notes a row whose id the pass had not shown before.
func (c *Certificate) observeNew(id int64) {
	if id <= c.LastID {
		c.Ascending = false
	}
	c.LastID = max(c.LastID, id)
	if c.TailID > 0 && id > c.TailID {
		c.Additions++
	}
}

// observeTail notes the greatest id on the tail page, before the first page is
// shown. A tail page without rows proves nothing: the list has shrunk, which
// the count shows, or the server's count does not match its rows.
func (c *Certificate) observeTail(l listing) {
	c.observeCount(l.count)
	if len(l.clients) == 0 {
		return
	}
	for _, client := range l.clients {
		c.TailID = max(c.TailID, client.ID)
	}
}
