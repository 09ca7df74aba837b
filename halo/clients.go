package halo

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

// Client is one of Halo's clients: a customer of the service provider.
type Client struct {
	ID       int64  // 1 to 2^53; no public source reports a reused id
	Name     string // at most 1,000 runes, without control characters; may be empty
	Inactive bool
	// TopLevelID is the id of the client's parent in Halo, or 0 if it has no
	// parent.
	TopLevelID   int64
	TopLevelName string
	// Ref is the customer's number or key in the provider's own records,
	// entered by hand. It is often empty and need not be unique. Like Name, it
	// has at most 1,000 runes.
	Ref string
	// AccountsID is the client's key in the accounting software connected to
	// Halo. It is often empty.
	AccountsID string
}

// Query selects the clients to list and sets how to read them.
type Query struct {
	// Search restricts the list to clients that match this string, by Halo's
	// own rules.
	Search string
	// IncludeInactive adds inactive clients.
	IncludeInactive bool
	// PageSize is the number of rows to request per page, 1 to 100. The server
	// may send fewer. The default is 100.
	PageSize int
	// Window is the number of pages that [API.Pages] requests at once, from 1 to 16. 1
	// means that no pages are read ahead. Otherwise Pages reads ahead until some 4,000 rows
	// are waiting for the caller. The default is 4.
	Window int
	// VerifyTail makes [API.Pages] read the greatest id from the end of the
	// list before it yields the first page; see "Completeness" in the package
	// comment. It costs two extra requests in each pass of more than one page.
	VerifyTail bool
	// Stop tells [API.Pages] to stop reading ahead by returning true. Pages in
	// flight still arrive; see [Page].Ahead. Stop is called between pages, by
	// the goroutine that ranges over them. It may be nil.
	Stop func() bool
}

const (
	maxPageSize   = 100
	maxWindow     = 16
	defaultWindow = 4
)

// withDefaults fills in defaults for empty fields and checks the other fields.
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

// values returns the parameters of GET /Client. Booleans must be the words true
// and false, and paging must be switched on (see the package comment).
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
	// Number is the number of the page, from 1.
	Number int
	// Clients holds the clients of the page, without duplicates. [API.Pages]
	// also omits clients that appeared on an earlier page of the pass.
	Clients []Client
	// RecordCount is Halo's count over all pages. It is -1 if Halo did not send
	// a count, or if the count is smaller than the number of clients on this
	// page.
	RecordCount int
	// Rows is the number of rows in the response.
	Rows int
	// Last reports whether the pass ends with this page.
	Last bool
	// Ahead is the number of later pages that [API.Pages] has already
	// requested. They are discarded if the caller leaves the loop.
	Ahead int
	// Ready reports whether the next page has arrived, so that the next
	// iteration does not block.
	Ready bool
	// Cursor is the position after this page. [API.Page] leaves it empty.
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
// page, and on page 1 if it holds as many clients as Halo counts. It is false
// on later pages, because the rows before them are unknown. Window and
// VerifyTail are ignored.
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

// list reads one page. The query q must come from withDefaults.
func (a *API) list(ctx context.Context, q Query, number int) (listing, error) {
	var l listing
	err := a.get(ctx, fmt.Sprintf("list clients page %d", number), "/Client", "/Client", q.values(number), func(body []byte) (err error) {
		l, err = decodeListing(body)
		return err
	})
	return l, err
}
