package halo

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// These bounds end a pass if the server never stops sending new ids. A run
// holds two sets of ids. In an [IDSet], widely spread ids take some 40 bytes
// each, so the two sets take at most 160 MB. Consecutive ids take 2 MB. At
// Halo's limit of 700 requests in 5 minutes, 100,000 pages take half a day.
const (
	maxPages   = 100_000
	maxRecords = 2_000_000
)

// Cursor is a position in a pass over a list. It can be stored as JSON, and
// [API.Pages] resumes from it with the same query. The zero value is the start
// of the list.
type Cursor struct {
	// NextPage is the page to read next. Both 0 and 1 mean the first page.
	NextPage int `json:"next_page"`
	// PageSize is the page size on which NextPage is based. It must not change
	// within a pass. It is 0 at the start.
	PageSize int `json:"page_size,omitempty"`
	// Done reports whether the pass has ended.
	Done        bool        `json:"done,omitempty"`
	Certificate Certificate `json:"certificate"`
	// Seen holds the ids that the pass has yielded. It is not part of the JSON:
	// code that stores a cursor must also store the ids and restore them. If
	// some are missing, the pass looks incomplete, because it yields those
	// clients again and counts too few distinct ids.
	//
	// The Cursor of a yielded page shares this set with the running pass. Read
	// the set before taking the next page, and do not change it. A Cursor
	// passed to [API.Pages] is copied.
	Seen *IDSet `json:"-"`
}

// Pages reads a list page by page, in order, starting at a cursor: GET /Client.
// The sequence is lazy and can be ranged over again from the same cursor. When
// the loop ends, all its requests have ended.
//
// The last page of a successful pass has Last set. At that page, the number of ids seen so
// far equals Halo's count. If that never happens, the last page is the first page that is
// empty or has no new id; it is yielded without clients. If the cursor is Done, the
// sequence is empty.
//
// The count is only a claim. If the page that is last according to the count is as full as
// any other, Pages makes one more request before it yields that page. A new id in the
// answer refutes the count, and the pass continues.
//
// An error ends the sequence and is yielded with an empty page. All earlier
// pages have been yielded, and the Cursor of the last yielded page resumes the
// pass.
func (a *API) Pages(ctx context.Context, q Query, from Cursor) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if from.Done {
			return
		}
		p, err := newPass(q, from)
		if err != nil {
			yield(Page{}, err)
			return
		}
		if err := a.read(ctx, p, func(page Page) bool { return yield(page, nil) }); err != nil {
			yield(Page{}, err)
		}
	}
}

// read runs a pass until the pass ends or yield returns false.
func (a *API) read(ctx context.Context, p *pass, yield func(Page) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	ahead := &readahead{
		window: p.query.Window, next: p.cur.NextPage,
		fetch: func(number int) (listing, error) { return a.list(ctx, p.query, number) },
	}
	defer ahead.wait()
	defer cancel()

	for {
		number := p.cur.NextPage
		if err := ctx.Err(); err != nil {
			return opError(fmt.Sprintf("list clients page %d", number), err)
		}
		if number > maxPages {
			return &Error{Op: "list clients", kind: ErrTooLarge, cause: fmt.Errorf("more than %d pages", maxPages)}
		}
		l, err := ahead.take()
		if err == nil && number == 1 {
			l, err = a.verifyTail(ctx, p, l)
		}
		if err != nil {
			return err
		}
		if records := max(p.cur.Seen.Len(), l.count); records > maxRecords {
			return &Error{Op: fmt.Sprintf("list clients page %d", number), kind: ErrTooLarge, cause: fmt.Errorf("the list has %d clients, but the maximum is %d", records, maxRecords)}
		}
		page := p.admit(l)
		if p.mayContinue(l) {
			if err := a.proveEnd(ctx, p, l); err != nil {
				return err
			}
			page.Last = p.cur.Done
		}
		page.Cursor = p.cur
		ahead.fill(p.target())
		page.Ahead, page.Ready = ahead.ahead()
		if !yield(page) || page.Last {
			return nil
		}
	}
}

// pass is the state of one reading of a list.
type pass struct {
	query   Query
	cur     Cursor
	fullest int // rows on the fullest page so far
}

// newPass starts or resumes a pass. It does not retain the set of ids in the argument from.
func newPass(q Query, from Cursor) (*pass, error) {
	q, err := q.withDefaults()
	if err != nil {
		return nil, err
	}
	if from.NextPage <= 1 {
		return &pass{query: q, cur: Cursor{
			NextPage: 1, PageSize: q.PageSize, Certificate: newCertificate(q), Seen: &IDSet{},
		}}, nil
	}
	if from.PageSize == 0 {
		from.PageSize = q.PageSize
	}
	if from.Certificate.Pages == 0 {
		from.Certificate = newCertificate(q)
	}
	c := from.Certificate
	if from.PageSize != q.PageSize || c.Search != q.Search || c.IncludeInactive != q.IncludeInactive {
		return nil, invalid("list clients", "the cursor belongs to another query")
	}
	from.Seen = from.Seen.clone()
	pages := max(1, c.Pages)
	return &pass{
		query: q, cur: from,
		fullest: (c.Rows + pages - 1) / pages, // the average, because the fullest page had at least that many rows
	}, nil
}

// admit adds the next page to the pass and decides whether it is the last page.
// The caller sets the page's Cursor.
func (p *pass) admit(l listing) Page {
	c := &p.cur.Certificate
	page := Page{Number: p.cur.NextPage, RecordCount: l.count, Rows: l.rows}
	p.fullest = max(p.fullest, l.rows)
	page.Clients = slices.DeleteFunc(l.clients, func(client Client) bool { return !p.cur.Seen.Add(client.ID) })
	for _, client := range page.Clients {
		c.observeNew(client.ID)
	}
	c.Pages++
	c.Rows += l.rows
	c.Malformed += l.malformed
	c.Duplicates += l.rows - l.malformed - len(page.Clients)
	c.Distinct = p.cur.Seen.Len()
	if l.rows > 0 || l.count > 0 || page.Number == 1 {
		// Past the end, a count of 0 may refer to this page only.
		c.observeCount(l.count)
	}

	switch {
	case l.rows == 0:
		c.Ended = EndedEmpty
	case len(page.Clients) == 0:
		c.Ended = EndedRepeat
	case c.Distinct == c.RecordLast:
		// A count smaller than the number of ids is wrong, so it does not end
		// the pass.
		c.Ended = EndedCount
	}
	if page.Number == 1 && p.query.VerifyTail && p.tail(l) == 0 {
		c.TailID = c.LastID // the only page is also the tail
	}
	page.Last = c.Ended != ""
	p.cur.Done = page.Last
	p.cur.NextPage++
	return page
}

// minFull is the smallest number of rows at which a page may be full although
// it has fewer rows than requested. The known limits of Halo's pages are 50 and
// 100.
const minFull = 10

// mayContinue reports whether the list may continue after l, the last page
// according to Halo's count. This is the case if l is as full as any page of the pass.
func (p *pass) mayContinue(l listing) bool {
	return p.cur.Certificate.Ended == EndedCount && l.rows >= p.fullest && l.rows >= min(minFull, p.query.PageSize)
}

// proveEnd requests the rows after l, the last page that the pass admitted. If
// the answer has a new id, the pass is not over.
//
// If the list seems to have only one page, Halo may be sending that page for
// every page_no. So proveEnd requests page 2 with a page size that is smaller by one row.
// This page begins with the last row of page 1. If the answer begins with the first row
// instead, Halo ignores page_no.
func (a *API) proveEnd(ctx context.Context, p *pass, l listing) error {
	q, number := p.query, p.cur.NextPage
	only := number == 2
	if only && l.rows > 1 {
		q.PageSize = min(l.rows-1, maxPageSize)
	}
	next, err := a.list(ctx, q, number)
	if err != nil {
		return fmt.Errorf("end of the list: %w", err)
	}
	c := &p.cur.Certificate
	switch {
	case slices.ContainsFunc(next.clients, func(client Client) bool { return !p.cur.Seen.Has(client.ID) }):
		p.cur.Done, c.Ended = false, ""
		if only {
			c.TailID, c.Additions = 0, 0 // page 1 is not the tail
		}
	case only && l.rows > 1 && len(next.clients) > 0 && next.clients[0].ID == l.clients[0].ID:
		c.Unpaged = true
	}
	return nil
}

// target returns the number of the last page to read ahead, or 0 to stop reading ahead.
func (p *pass) target() int {
	if p.cur.Done || p.query.Stop != nil && p.query.Stop() {
		return 0
	}
	return p.lastPage()
}

// lastPage returns the page at which the list should end, estimated from its
// count and the fullest page so far, or 0 if unknown. The list may end later,
// because pages need not be full.
func (p *pass) lastPage() int {
	n := p.cur.Certificate.RecordLast
	if n < 0 || p.fullest == 0 {
		return 0
	}
	return min((n+p.fullest-1)/p.fullest, maxPages)
}

// tail returns the number of the page with the greatest id, or 0 if that page need not be
// read.
func (p *pass) tail(first listing) int {
	if !p.query.VerifyTail || first.rows == 0 || first.count <= first.rows {
		return 0
	}
	return min((first.count+first.rows-1)/first.rows, maxPages)
}

// verifyTail reads the last page of the list, then reads the first page again and returns
// it. Every page that the pass yields is therefore read after TailID, so later changes to
// the list do not go unnoticed.
func (a *API) verifyTail(ctx context.Context, p *pass, first listing) (listing, error) {
	tail := p.tail(first)
	if tail == 0 {
		return first, nil
	}
	p.cur.Certificate.observeCount(first.count)
	l, err := a.list(ctx, p.query, tail)
	if err != nil {
		return listing{}, fmt.Errorf("tail of the list: %w", err)
	}
	p.cur.Certificate.observeTail(l)
	return a.list(ctx, p.query, 1)
}
