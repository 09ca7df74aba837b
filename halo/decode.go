package halo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
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

// envelope is what surrounds the rows of a list. A nil Clients means that the
// key is missing.
type envelope struct {
	RecordCount count  `json:"record_count"`
	Clients     *[]row `json:"clients"`
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
// array as sibling endpoints send it (Midtown-Technology-Group/halocli).
func decodeListing(body []byte) (listing, error) {
	body = withoutBOM(body)
	env := envelope{RecordCount: unknownCount}
	var err error
	if kindOf(body) == '[' {
		env.Clients = new([]row)
		err = decode(body, env.Clients)
	} else {
		err = decode(body, &env)
	}
	switch {
	case err != nil:
		return listing{}, err
	case env.Clients == nil:
		return listing{}, errors.New(`JSON without "clients"`)
	case len(*env.Clients) > maxRows:
		return listing{}, &Error{kind: ErrTooLarge, cause: fmt.Errorf("page of %d rows, at most %d are read", len(*env.Clients), maxRows)}
	}

	l := listing{rows: len(*env.Clients), count: int(env.RecordCount)}
	l.clients = make([]Client, 0, l.rows)
	var seen IDSet
	for _, r := range *env.Clients {
		switch {
		case r.ID == 0:
			l.malformed++
		case seen.Add(int64(r.ID)):
			l.clients = append(l.clients, r.client())
		}
	}
	if l.count < len(l.clients) {
		// Fewer than are here is not a count of all there are.
		l.count = unknownCount
	}
	return l, nil
}

// decodeClient reads the answer to a request for one client: the bare object,
// or an array of just that.
func decodeClient(body []byte) (Client, error) {
	body = withoutBOM(body)
	rows := make([]row, 1)
	var err error
	if kindOf(body) == '[' {
		err = decode(body, &rows)
	} else {
		err = decode(body, &rows[0])
	}
	switch {
	case err != nil:
		return Client{}, err
	case len(rows) != 1 || rows[0].ID == 0:
		return Client{}, errors.New("JSON without the id of a client")
	}
	return rows[0].client(), nil
}

// decode reads JSON into v. Rows that are no objects stay empty; anything
// else of the wrong shape is an error. Errors never quote the body.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Type == reflect.TypeFor[row]() && reflect.TypeOf(v) != reflect.TypeFor[*row]() {
			return nil // one row; json has gone on with the others
		}
		return errors.New("JSON of another shape")
	}
	switch kindOf(body) {
	case 0:
		return errors.New("empty answer")
	case '<':
		return errors.New("HTML where JSON was expected")
	}
	var ignored json.RawMessage
	if json.NewDecoder(bytes.NewReader(body)).Decode(&ignored) == io.ErrUnexpectedEOF { //nolint:errorlint // returned as such
		return brokeOff(len(body))
	}
	return errors.New("not JSON")
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
