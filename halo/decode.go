package halo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRows bounds a page, whatever its size in bytes.
const maxRows = 10_000

// unknownCount is the record_count of an answer that has none.
const unknownCount = -1

// listing is one page as it came, apart from rows without an id.
type listing struct {
	clients   []Client // each id once
	rows      int      // on the wire
	malformed int      // of them without a usable id
	count     int      // record_count, or unknownCount
}

// row has the keys that are needed; the others are skipped.
type row struct {
	ID           number  `json:"id"`
	Name         text    `json:"name"`
	Inactive     boolean `json:"inactive"`
	TopLevelID   number  `json:"toplevel_id"`
	TopLevelName text    `json:"toplevel_name"`
	Ref          text    `json:"ref"`
	AccountsID   text    `json:"accountsid"`
}

func (r row) client() Client {
	return Client{
		ID: int64(r.ID), Name: string(r.Name), Inactive: bool(r.Inactive),
		TopLevelID: int64(r.TopLevelID), TopLevelName: string(r.TopLevelName),
		Ref: string(r.Ref), AccountsID: string(r.AccountsID),
	}
}

// decodeListing reads the answer to a list request: the envelope, or a bare
// array as sibling endpoints send it (Midtown-Technology-Group/halocli). It
// goes row by row, so that what it holds grows with the clients it keeps and
// not with what a body can be made to say: "{}," is three bytes, a row in
// memory eighty.
func decodeListing(body []byte) (listing, error) {
	body = withoutBOM(body)
	r := listingReader{json: json.NewDecoder(bytes.NewReader(body)), listing: listing{count: unknownCount}}
	var err error
	switch kindOf(body) {
	case '[':
		err = r.rows()
	case '{':
		err = r.envelope()
	default:
		var none ignored
		if err = decode(body, &none); err == nil {
			err = errShape
		}
		return listing{}, err
	}
	if err == nil {
		if _, after := r.json.Token(); !errors.Is(after, io.EOF) {
			err = errNotJSON
		}
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return listing{}, brokeOff(len(body))
	case err != nil:
		return listing{}, err
	case !r.found:
		return listing{}, errors.New(`JSON without "clients"`)
	}
	l := r.listing
	if l.count < len(l.clients) {
		// Fewer than are here is not a count of all there are.
		l.count = unknownCount
	}
	return l, nil
}

var (
	errShape   = errors.New("JSON of another shape")
	errNotJSON = errors.New("not JSON")
)

// ignored is a value that is read over.
type ignored struct{}

// UnmarshalJSON never fails.
func (*ignored) UnmarshalJSON([]byte) error { return nil }

// listingReader takes a listing out of a stream of JSON. Its errors never
// quote the body; [io.EOF] and [io.ErrUnexpectedEOF] say that it broke off.
type listingReader struct {
	json  *json.Decoder
	seen  IDSet
	found bool // the rows were there
	row   row  // the one in hand
	listing
}

// envelope reads what surrounds the rows of a list.
func (r *listingReader) envelope() error {
	if _, err := r.token(); err != nil { // {
		return err
	}
	for r.json.More() {
		key, err := r.token()
		if err != nil {
			return err
		}
		switch name, _ := key.(string); {
		case strings.EqualFold(name, "clients"):
			err = r.rows()
		case strings.EqualFold(name, "record_count"):
			err = r.value((*count)(&r.count))
		default:
			err = r.value(&ignored{})
		}
		if err != nil {
			return err
		}
	}
	_, err := r.token() // }
	return err
}

// rows reads the array of rows. A second one beside it would make the answer
// mean two things.
func (r *listingReader) rows() error {
	start, err := r.token()
	switch {
	case err != nil:
		return err
	case start == nil: // null is no list
		return nil
	case start != json.Delim('['), r.found:
		return errShape
	}
	r.found = true
	for r.json.More() {
		if r.listing.rows == maxRows {
			return &Error{kind: ErrTooLarge, cause: fmt.Errorf("page of more than %d rows", maxRows)}
		}
		r.listing.rows++
		r.row = row{}
		if err := r.value(&r.row); err != nil {
			return err
		}
		switch {
		case r.row.ID == 0:
			r.malformed++
		case r.seen.Add(int64(r.row.ID)):
			r.clients = append(r.clients, r.row.client())
		}
	}
	_, err = r.token() // ]
	return err
}

// value reads the next value. One of another shape leaves v as it is.
func (r *listingReader) value(v any) error {
	err := r.json.Decode(v)
	if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); wrong {
		return nil
	}
	return plain(err)
}

func (r *listingReader) token() (json.Token, error) {
	token, err := r.json.Token()
	return token, plain(err)
}

// plain makes an error of the JSON reader one that quotes nothing.
func plain(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return errNotJSON
}

// decodeClient reads the answer to a request for one client: the bare object,
// or an array of just that.
func decodeClient(body []byte) (Client, error) {
	body = withoutBOM(body)
	var one row
	if kindOf(body) == '[' {
		l, err := decodeListing(body)
		switch {
		case err != nil:
			return Client{}, err
		case l.rows != 1 || len(l.clients) != 1:
			return Client{}, errNoClient
		}
		return l.clients[0], nil
	}
	switch err := decode(body, &one); {
	case err != nil:
		return Client{}, err
	case one.ID == 0:
		return Client{}, errNoClient
	}
	return one.client(), nil
}

var errNoClient = errors.New("JSON without the id of a client")

// decode reads JSON into v. Errors never quote the body.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errShape
	}
	switch kindOf(body) {
	case 0:
		return errors.New("empty answer")
	case '<':
		return errors.New("HTML where JSON was expected")
	}
	var none ignored
	if json.NewDecoder(bytes.NewReader(body)).Decode(&none) == io.ErrUnexpectedEOF { //nolint:errorlint // returned as such
		return brokeOff(len(body))
	}
	return errNotJSON
}

// kindOf returns the first byte of JSON that is not blank, or 0.
func kindOf(body []byte) byte {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return 0
	}
	return body[0]
}

// withoutBOM drops a byte order mark, which .NET likes to write.
func withoutBOM(body []byte) []byte {
	return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
}
