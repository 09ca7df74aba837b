package halo

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

// Client is one of Halo's clients, that is, a customer of the service
// provider.
type Client struct {
	ID       int64  // 1 to 2^53, never reused as far as is known
	Name     string // at most 1,000 runes, without control characters; may be empty
	Inactive bool
	// TopLevelID is the client's parent in Halo; 0: none.
	TopLevelID   int64
	TopLevelName string
	// Ref is the customer's number or key in the provider's own books, as a
	// person entered it; often empty, not unique. Like Name, at most 1,000 runes.
	Ref string
	// AccountsID is the client's key in the accounting package that Halo is
	// integrated with; often empty.
	AccountsID string
}

// Query says which clients to list, and how.
type Query struct {
	// Search restricts the list to clients that Halo finds by this text.
	Search string
	// IncludeInactive adds inactive clients.
	IncludeInactive bool
	// PageSize is how many rows to ask for, 1 to 100; the server may send
	// fewer. Default 100.
	PageSize int
	// Window is how many pages [API.Pages] requests at once, from 1 to 16. It
	// reads ahead until some 4,000 rows wait to be taken; 1 means no reading
	// ahead. Default 4.
	Window int
	// VerifyTail makes [API.Pages] look at the end of the list before it shows
	// the first page, to learn the greatest id; see "Completeness" in the
	// package comment. It costs two requests in each pass of more than one page.
	VerifyTail bool
	// Stop, once it returns true, keeps [API.Pages] from requesting further
	// pages in advance; pages in flight still arrive, see [Page].Ahead. It is
	// called between pages, by the goroutine that ranges over them. Nil: never.
	Stop func() bool
}

const (
	maxPageSize   = 100
	maxWindow     = 16
	defaultWindow = 4
)

// withDefaults fills what is unset and checks the rest.
func (q Query) withDefaults() (Query, error) {
	if q.PageSize == 0 {
		q.PageSize = maxPageSize
	}
	if q.Window == 0 {
		q.Window = defaultWindow
	}
	switch {
	case q.PageSize < 1 || q.PageSize > maxPageSize:
		return q, invalid("list clients", "page size %d, must be 1 to %d", q.PageSize, maxPageSize)
	case q.Window < 1 || q.Window > maxWindow:
		return q, invalid("list clients", "window of %d pages, must be 1 to %d", q.Window, maxWindow)
	}
	return q, nil
}

// invalid returns the error for arguments that are rejected before anything is
// sent.
func invalid(op, format string, args ...any) *Error {
	return &Error{Op: op, kind: ErrInvalid, cause: fmt.Errorf(format, args...)}
}

// values returns the parameters of GET /Client. Booleans must be words, and
// paging must be switched on (see the package comment).
func (q Query) values(page int) url.Values {
	v := url.Values{
		"pageinate": {"true"},
		"page_size": {strconv.Itoa(q.PageSize)},
		"page_no":   {strconv.Itoa(page)},
		"order":     {"id"},
	}
	if q.Search != "" {
		v.Set("search", q.Search)
	}
	if q.IncludeInactive {
		v.Set("includeinactive", "true")
	}
	return v
}

// Page is one page of a list.
type Page struct {
	// Number of the page, from 1.
	Number int
	// Clients of the page, each id once; from [API.Pages], without those that
	// an earlier page of the pass showed.
	Clients []Client
	// RecordCount is Halo's count over all pages; -1: not sent, or less than
	// the clients of this very page.
	RecordCount int
	// Rows is the number of rows on the wire.
	Rows int
	// Last says that the pass ends here.
	Last bool
	// Ahead is the number of later pages that [API.Pages] has already
	// requested. Leaving the loop discards them.
	Ahead int
	// Ready says that the next page has arrived: taking it does not wait.
	Ready bool
	// Cursor is the state after this page. [API.Page] leaves it empty.
	Cursor Cursor
}

// Client reads one client by its id: GET /Client/{id}. It also finds inactive
// clients (homotechsual/HaloAPI). If there is no such client, the error is
// [ErrNotFound].
func (a *API) Client(ctx context.Context, id int64) (Client, error) {
	op := fmt.Sprintf("read client %d", id)
	if id < 1 || id > maxID {
		return Client{}, invalid(op, "id out of range")
	}
	var c Client
	err := a.get(ctx, op, "/Client/{id}", "/Client/"+strconv.FormatInt(id, 10), nil, func(body []byte) error {
		got, err := decodeClient(body)
		if err == nil && got.ID != id {
			err = fmt.Errorf("answer about client %d", got.ID)
		}
		c = got
		return err
	})
	if err != nil {
		return Client{}, err
	}
	return c, nil
}

// Page reads one page, numbered from 1: GET /Client. Last is set on an empty
// page, and on page 1 if it has all the clients that Halo counts; a later page
// cannot tell, because what came before it is not known. Window and VerifyTail
// are ignored.
func (a *API) Page(ctx context.Context, q Query, number int) (Page, error) {
	q, err := q.withDefaults()
	if err != nil {
		return Page{}, err
	}
	if number < 1 || number > maxPages {
		return Page{}, invalid("list clients", "page %d, must be 1 to %d", number, maxPages)
	}
	l, err := a.list(ctx, q, number)
	if err != nil {
		return Page{}, err
	}
	all := number == 1 && l.count >= 0 && len(l.clients) >= l.count
	return Page{
		Number: number, Clients: l.clients, RecordCount: l.count, Rows: l.rows,
		Last: l.rows == 0 || all,
	}, nil
}

// list reads one page. q must have its defaults.
func (a *API) list(ctx context.Context, q Query, number int) (listing, error) {
	var l listing
	err := a.get(ctx, fmt.Sprintf("list clients page %d", number), "/Client", "/Client", q.values(number), func(body []byte) (err error) {
		l, err = decodeListing(body)
		return err
	})
	return l, err
}
