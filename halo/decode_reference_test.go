package halo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/plaintext"
)

// The decoder below is the reference for [decodeListing]: its predecessor,
// which is slower and uses only the standard library.

// oldRow holds the keys that are needed. All other keys are skipped.
type oldRow struct {
	ID           oldNumber  `json:"id"`
	Name         oldText    `json:"name"`
	Inactive     oldBoolean `json:"inactive"`
	TopLevelID   oldNumber  `json:"toplevel_id"`
	TopLevelName oldText    `json:"toplevel_name"`
	Ref          oldText    `json:"ref"`
	AccountsID   oldText    `json:"accountsid"`
}

func (r oldRow) client() Client {
	return Client{
		ID: int64(r.ID), Name: string(r.Name), Inactive: bool(r.Inactive),
		TopLevelID: int64(r.TopLevelID), TopLevelName: string(r.TopLevelName),
		Ref: string(r.Ref), AccountsID: string(r.AccountsID),
	}
}

// oldListing reads the answer to a list request: the envelope, or a bare array
// like those of Halo's other endpoints (Midtown-Technology-Group/halocli). It
// decodes row by row, so memory grows only with the number of clients kept. A
// hostile body can contain many rows: "{}," takes three bytes, but a row in
// memory takes eighty.
func oldListing(body []byte) (listing, error) {
	body = withoutBOM(body)
	r := oldReader{json: json.NewDecoder(bytes.NewReader(body)), listing: listing{count: unknownCount}}
	var err error
	switch kindOf(body) {
	case '[':
		err = r.rows()
	case '{':
		err = r.envelope()
	default:
		var none oldIgnored
		if err = oldDecode(body, &none); err == nil {
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
		// A count smaller than the number of clients on this page cannot be the
		// count over all pages.
		l.count = unknownCount
	}
	return l, nil
}

// oldIgnored is a value that is skipped.
type oldIgnored struct{}

// UnmarshalJSON never fails.
func (*oldIgnored) UnmarshalJSON([]byte) error { return nil }

// oldReader decodes a listing from a stream of JSON. Its errors never quote the
// body; [io.EOF] and [io.ErrUnexpectedEOF] mean that the body broke off.
type oldReader struct {
	json  *json.Decoder
	seen  IDSet
	found bool   // the array of rows has been found
	row   oldRow // the row being read
	listing
}

// envelope reads the object around the rows of a list.
func (r *oldReader) envelope() error {
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
			err = r.value((*oldCount)(&r.count))
		default:
			err = r.value(&oldIgnored{})
		}
		if err != nil {
			return err
		}
	}
	_, err := r.token() // }
	return err
}

// rows reads the array of rows. A second array is an error, because the answer
// would be ambiguous.
func (r *oldReader) rows() error {
	start, err := r.token()
	switch {
	case err != nil:
		return err
	case start == nil: // null is not a list
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
		r.row = oldRow{}
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

// value reads the next value. If the value does not fit v, v stays unchanged.
func (r *oldReader) value(v any) error {
	err := r.json.Decode(v)
	if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); wrong {
		return nil
	}
	return oldPlain(err)
}

func (r *oldReader) token() (json.Token, error) {
	token, err := r.json.Token()
	return token, oldPlain(err)
}

// oldPlain replaces a JSON reader's error, because the error may quote the
// body.
func oldPlain(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return errNotJSON
}

// oldClient reads the answer to a request for one client: the bare object, or
// an array that holds only that object.
func oldClient(body []byte) (Client, error) {
	body = withoutBOM(body)
	var one oldRow
	if kindOf(body) == '[' {
		l, err := oldListing(body)
		switch {
		case err != nil:
			return Client{}, err
		case l.rows != 1 || len(l.clients) != 1:
			return Client{}, errNoClient
		}
		return l.clients[0], nil
	}
	switch err := oldDecode(body, &one); {
	case err != nil:
		return Client{}, err
	case one.ID == 0:
		return Client{}, errNoClient
	}
	return one.client(), nil
}

// oldDecode reads JSON into v. Errors never quote the body.
func oldDecode(body []byte, v any) error {
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
	var none oldIgnored
	if json.NewDecoder(bytes.NewReader(body)).Decode(&none) == io.ErrUnexpectedEOF { //nolint:errorlint // returned unchanged
		return brokeOff(len(body))
	}
	return errNotJSON
}

// oldNumber is an id, written as 12, 12.0 or "12". It is 0 for anything not in
// 1 to 2^53.
type oldNumber int64

// UnmarshalJSON never fails.
func (n *oldNumber) UnmarshalJSON(b []byte) error {
	*n = 0
	if v, ok := oldInteger(b); ok && v >= 1 {
		*n = oldNumber(v)
	}
	return nil
}

// oldCount is a record_count, written as 12, 12.0 or "12". It is unknownCount
// for anything else.
type oldCount int

// UnmarshalJSON never fails.
func (c *oldCount) UnmarshalJSON(b []byte) error {
	*c = unknownCount
	if v, ok := oldInteger(b); ok && v >= 0 {
		*c = oldCount(v)
	}
	return nil
}

// oldInteger reads a JSON number or string that is a whole number within ±2^53.
func oldInteger(b []byte) (int64, bool) {
	if len(b) > maxNumber {
		return 0, false
	}
	s := string(bytes.Trim(b, "\" \t"))
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return v, v >= -maxID && v <= maxID
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v != math.Trunc(v) || math.Abs(v) > maxID {
		return 0, false
	}
	return int64(v), true
}

// oldBoolean is true for the JSON value true, for a nonzero number, and for a string that
// holds one of these.
type oldBoolean bool

// UnmarshalJSON never fails.
func (f *oldBoolean) UnmarshalJSON(b []byte) error {
	if *f = false; len(b) > maxNumber {
		return nil
	}
	s := string(bytes.Trim(b, "\" \t"))
	v, err := strconv.ParseFloat(s, 64)
	*f = oldBoolean(strings.EqualFold(s, "true") || err == nil && v != 0)
	return nil
}

// oldText is a string, cleaned as [plaintext.Clean] does, or a number as it is
// written. It is empty for anything else.
type oldText string

// UnmarshalJSON never fails.
func (t *oldText) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) == 0:
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = oldText(plaintext.Clean(string(b), maxText))
	case b[0] == '"' && bytes.IndexByte(b, '\\') < 0:
		*t = oldText(plaintext.Clean(string(bytes.Trim(b, `"`)), maxText))
	case b[0] == '"':
		var s string
		if json.Unmarshal(bytes.ToValidUTF8(b, nil), &s) == nil {
			*t = oldText(plaintext.Clean(s, maxText))
		}
	}
	return nil
}
