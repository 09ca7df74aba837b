package halo

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// maxRows is the maximum number of rows on a page, regardless of its size in
// bytes.
const maxRows = 10_000

// maxPageText is the maximum total length in bytes of the texts that are kept of a
// page. The texts of 10,000 ordinary rows have 1 MB.
const maxPageText = 4 << 20

// unknownCount is the count of an answer that has no record_count.
const unknownCount = -1

// listing is one page as Halo sent it, except that rows without a usable id are
// left out.
type listing struct {
	clients   []Client // each id once
	rows      int      // in the response
	malformed int      // rows without a usable id
	count     int      // record_count, or unknownCount
	bytes     int      // memory of the clients
}

var errNoClient = errors.New("JSON without the id of a client")

// decodeListing reads the answer to a list request: the envelope, or a bare
// array like those of Halo's other endpoints
// (Midtown-Technology-Group/halocli). It decodes row by row, so memory grows
// only with the number of clients kept. A hostile body can contain many rows:
// "{}," takes three bytes, but a row in memory takes a hundred.
func decodeListing(body []byte) (listing, error) {
	body = withoutBOM(body)
	r := listingReader{reader: newReader(body), listing: listing{count: unknownCount}}
	err := r.document(body, r.clientRows, r.envelope)
	switch {
	case err != nil:
		return listing{}, err
	case !r.found:
		return listing{}, errors.New(`JSON without "clients"`)
	}
	l := r.listing
	if l.count < len(l.clients) {
		// A count smaller than the number of clients on this page cannot be the
		// count over all pages.
		l.count = unknownCount
	}
	return l, nil
}

// decodeClient reads the answer to a request for one client: the bare object,
// or an array that holds only that object.
func decodeClient(body []byte) (Client, error) {
	body = withoutBOM(body)
	r := listingReader{reader: newReader(body)}
	err := r.document(body, r.clientRows, r.clientRow)
	switch {
	case err != nil:
		return Client{}, err
	case r.rows != 1 || len(r.clients) != 1:
		return Client{}, errNoClient
	}
	return r.clients[0], nil
}

// listingReader decodes a listing from JSON.
type listingReader struct {
	reader
	seen  IDSet
	found bool // the array of rows has been found
	row   row  // the row being read
	listing
}

// envelope reads the object around the rows of a list.
func (r *listingReader) envelope() error {
	return r.members(func(key []byte) error {
		switch {
		case named(key, "clients"):
			return r.clientRows()
		case named(key, "record_count"):
			v, err := r.value()
			r.count = countOf(v)
			return err
		default:
			_, err := r.value()
			return err
		}
	})
}

// clientRows reads the array of rows. A second array is an error, because the
// answer would be ambiguous.
func (r *listingReader) clientRows() error {
	switch kind := r.json.PeekKind(); {
	case kind == jsontext.KindBeginArray && !r.found:
		r.found = true
		return r.elements(r.clientRow)
	case kind == jsontext.KindBeginArray, kind == jsontext.KindBeginObject:
		return errShape
	case kind == jsontext.KindNull: // not a list
		_, err := r.value()
		return err
	default:
		if _, err := r.value(); err != nil {
			return err
		}
		return errShape
	}
}

// clientRow reads one row, which may be any JSON value.
func (r *listingReader) clientRow() error {
	if r.rows == maxRows {
		return &Error{kind: ErrTooLarge, cause: fmt.Errorf("page of more than %d rows", maxRows)}
	}
	r.rows++
	r.row.clear()
	var err error
	if r.json.PeekKind() == jsontext.KindBeginObject {
		err = r.members(r.field)
	} else {
		_, err = r.value()
	}
	switch {
	case err != nil:
		return err
	case r.row.ID == 0:
		r.malformed++
	case r.seen.Add(r.row.ID):
		if r.clients == nil {
			r.clients = make([]Client, 0, maxPageSize)
		}
		r.clients = append(r.clients, r.row.Client)
		if r.bytes += r.row.bytes(); r.bytes > maxPageText+len(r.clients)*rowBytes {
			return &Error{kind: ErrTooLarge, cause: fmt.Errorf("page with more than %d MiB of names and keys", maxPageText>>20)}
		}
	}
	return nil
}

// field reads one field of a row.
func (r *listingReader) field(key []byte) error {
	set := setter(key)
	v, err := r.value()
	if set != nil && err == nil {
		set(&r.row, v)
	}
	return err
}
