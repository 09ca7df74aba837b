package halo

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// Bounds of a pass, should a server bring new ids for ever. Ids that are spread
// as widely as possible take some 40 bytes each in an [IDSet], and a run holds
// two sets: 160 MB at worst, 2 MB for ids in a row. With Halo's limit of 700
// requests in 5 minutes, 100,000 pages take half a day.
const (
	maxPages   = 100_000
	maxRecords = 2_000_000
)

// Cursor is a position in a pass over a list. It can be stored as JSON, and
// [API.Pages] resumes from it with the same query. The zero value is the
// start.
type Cursor struct {
	// NextPage is the page to go on with; 0 and 1 are the start.
	NextPage int `json:"next_page"`
	// PageSize is the size that NextPage counts in; it must not change within
	// a pass. 0 at the start.
	PageSize int `json:"page_size,omitempty"`
	// Done says that the pass has ended.
	Done        bool        `json:"done,omitempty"`
	Certificate Certificate `json:"certificate"`
	// Seen are the ids that the pass has shown. It is not part of the JSON:
	// code that stores a cursor must store the ids as well and put them back.
	// If some are missing, the pass shows those clients again and counts fewer
	// distinct ids than there are, and so looks incomplete.
	//
	// The Cursor of a yielded page shares the set with the running pass: read
	// it before taking the next page, and do not change it.
	// A cursor given to [API.Pages] is copied.
	Seen *IDSet `json:"-"`
}

// Pages reads a list page by page, in order, from a cursor on: GET /Client. It
// is lazy, can be ranged over again with the same outcome, and has ended all
// its requests when the loop is left.
//
// A successful pass ends with one page that has Last set. That is the page at
// which the number of ids shown reaches Halo's count; if the count is not
// reached, it is an empty page or one without a new id, which is yielded
// without clients. A cursor that is Done yields nothing.
//
// An error comes last, with an empty page; the pages before it have been
// yielded, and the Cursor of the last of them resumes the pass.
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

// read runs a pass until it ends or yield returns false.
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
			return &Error{Op: fmt.Sprintf("list clients page %d", number), kind: ErrTooLarge, cause: fmt.Errorf("a list of %d clients, at most %d are read", records, maxRecords)}
		}
		page := p.admit(l)
		page.Cursor = p.cur
		ahead.fill(p.target())
		page.Ahead, page.Ready = ahead.ahead()
		if !yield(page) || page.Last {
			return nil
		}
	}
}

// pass is the state of one run over a list.
type pass struct {
	query   Query
	cur     Cursor
	fullest int // rows of the fullest page so far
}

// newPass starts or resumes a pass. It keeps nothing of from's set.
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
		return nil, invalid("list clients", "cursor of another query")
	}
	from.Seen = from.Seen.clone()
	pages := max(1, c.Pages)
	return &pass{
		query: q, cur: from,
		fullest: (c.Rows + pages - 1) / pages, // the average; the fullest had at least that many
	}, nil
}

// admit adds the next page to the pass and decides whether it is the last. The
// caller sets the page's Cursor.
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
		// Past the end, 0 can just as well mean "rows of this page".
		c.observeCount(l.count)
	}

	switch {
	case l.rows == 0:
		c.Ended = EndedEmpty
	case len(page.Clients) == 0:
		c.Ended = EndedRepeat
	case c.RecordLast >= 0 && c.Distinct >= c.RecordLast:
		c.Ended = EndedCount
	}
	if page.Number == 1 && p.query.VerifyTail && p.tail(l) == 0 {
		c.TailID = c.LastID // the only page is the tail
	}
	page.Last = c.Ended != ""
	p.cur.Done = page.Last
	p.cur.NextPage++
	return page
}

// target returns the page to read ahead to; 0: stop reading ahead.
func (p *pass) target() int {
	if p.cur.Done || p.query.Stop != nil && p.query.Stop() {
		return 0
	}
	return p.lastPage()
}

// lastPage returns where the list should end, by its count and the fullest page
// so far; 0 if unknown. The list may end later: no page has to be full.
func (p *pass) lastPage() int {
	n := p.cur.Certificate.RecordLast
	if n < 0 || p.fullest == 0 {
		return 0
	}
	return min((n+p.fullest-1)/p.fullest, maxPages)
}

// tail returns the number of the page that shows the greatest id, or 0 if there
// is no need to read it.
func (p *pass) tail(first listing) int {
	if !p.query.VerifyTail || first.rows == 0 || first.count <= first.rows {
		return 0
	}
	return min((first.count+first.rows-1)/first.rows, maxPages)
}

// verifyTail reads the end of the list, and then its first page again, which it
// returns: every page that the pass shows is younger than what it knows of the
// tail, so no change can hide between the two.
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
