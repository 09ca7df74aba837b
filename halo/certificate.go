package halo

// Certificate collects facts that show whether a pass over a list was complete.
// The section "Completeness" of the package comment explains how to interpret
// them.
type Certificate struct {
	// Pages is the number of pages read, including the last one. Rows is the number of rows
	// on these pages.
	Pages int `json:"pages"`
	Rows  int `json:"rows"`
	// Distinct is the number of different ids in the rows. Sum is a checksum of
	// these ids that does not depend on their order. Two passes with the same Distinct and
	// the same Sum have read the same ids.
	Distinct int    `json:"distinct"`
	Sum      uint64 `json:"sum,omitempty"`
	// Duplicates is the number of rows whose id appeared earlier in this pass.
	Duplicates int `json:"duplicates,omitempty"`
	// Malformed is the number of rows without a usable id.
	Malformed int `json:"malformed,omitempty"`

	// RecordFirst and RecordLast are the first and the last record_count that
	// Halo sent. RecordMin and RecordMax are the smallest and the largest of these counts.
	// All four are -1 if Halo never sent a count.
	RecordFirst int `json:"record_first"`
	RecordLast  int `json:"record_last"`
	RecordMin   int `json:"record_min"`
	RecordMax   int `json:"record_max"`
	// Drops is the number of times that record_count fell from one answer to
	// the next.
	Drops int `json:"drops,omitempty"`

	// Ascending reports whether the ids of all new rows were in ascending
	// order.
	Ascending bool `json:"ascending"`
	// LastID is the greatest id shown so far.
	LastID int64 `json:"last_id,omitempty"`
	// TailID is the greatest id at the start of the pass. It is 0 if it was not
	// requested ([Query.VerifyTail]) or is unknown.
	TailID int64 `json:"tail_id,omitempty"`
	// Additions is the number of ids greater than TailID. It is 0 if TailID is
	// 0.
	Additions int `json:"additions,omitempty"`

	// Ended is the reason why the pass ended: "count" (the number of ids
	// equals Halo's count), "empty" (a page without rows) or "repeat" (a page
	// without a new id). It is empty until the pass ends.
	Ended string `json:"ended,omitempty"`

	// Unpaged reports whether Halo sent page 1 again when the rows after it were
	// requested. The list may then have more clients.
	Unpaged bool `json:"unpaged,omitempty"`

	// Search and IncludeInactive are the filters of the list.
	Search          string `json:"search,omitempty"`
	IncludeInactive bool   `json:"include_inactive,omitempty"`
}

// Possible values of [Certificate.Ended].
const (
	EndedCount  = "count"
	EndedEmpty  = "empty"
	EndedRepeat = "repeat"
)

// newCertificate returns the certificate for the start of a pass.
func newCertificate(q Query) Certificate {
	return Certificate{
		RecordFirst: unknownCount, RecordLast: unknownCount, RecordMin: unknownCount, RecordMax: unknownCount,
		Ascending: true, Search: q.Search, IncludeInactive: q.IncludeInactive,
	}
}

// observeCount records the record_count of an answer, if it has one.
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

// observeNew records a row with an id that is new in this pass.
func (c *Certificate) observeNew(id int64) {
	if id <= c.LastID {
		c.Ascending = false
	}
	c.Sum += scatter(id)
	c.LastID = max(c.LastID, id)
	if c.TailID > 0 && id > c.TailID {
		c.Additions++
	}
}

// scatter maps each id to a number in which every bit depends on all bits of
// the id, so that sums of different sets differ. It is the finaliser of
// SplitMix64, which is a bijection.
func scatter(id int64) uint64 {
	x := uint64(id) * 0x9e3779b97f4a7c15 //nolint:gosec // two's complement is intended
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// observeTail records the greatest id on the tail page, before the first page
// is yielded. A tail page without rows proves nothing: either the list has
// shrunk, which the count shows, or the server's count does not match its rows.
func (c *Certificate) observeTail(l listing) {
	c.observeCount(l.count)
	if len(l.clients) == 0 {
		return
	}
	for _, client := range l.clients {
		c.TailID = max(c.TailID, client.ID)
	}
}
