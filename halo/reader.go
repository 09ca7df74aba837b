package halo

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errShape   = errors.New("JSON of an unexpected shape")
	errNotJSON = errors.New("not JSON")
)

// reader reads JSON piece by piece. It does not recurse, and more than 10,000
// levels are an error. Its errors never quote the body. [io.EOF] and
// [io.ErrUnexpectedEOF] mean that the body was truncated.
type reader struct{ json *jsontext.Decoder }

// newReader returns a reader of body. It does not copy body. The reader
// tolerates invalid UTF-8 and duplicate keys, which the callers handle: one odd
// field must not invalidate a page.
func newReader(body []byte) reader {
	return reader{jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))}
}

// document reads the whole body with the function array or object, depending on the first
// byte. Callers return its error unchanged.
func (r reader) document(body []byte, array, object func() error) error {
	var err error
	kind := kindOf(body)
	switch kind {
	case 0:
		return errors.New("empty answer")
	case '<':
		return errors.New("HTML where JSON was expected")
	case '[':
		err = array()
	case '{':
		err = object()
	default:
		_, err = r.value()
	}
	if err == nil {
		if _, after := r.json.ReadToken(); !errors.Is(after, io.EOF) {
			return errNotJSON
		}
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return brokeOff(len(body))
	case err == nil && kind != '[' && kind != '{':
		return errShape
	}
	return err
}

// members reads an object. It calls the function each with every raw key. The
// function must read the value and must not use the key afterwards.
func (r reader) members(each func(key []byte) error) error {
	if _, err := r.json.ReadToken(); err != nil { // {
		return unquoted(err)
	}
	for {
		switch r.json.PeekKind() {
		case jsontext.KindEndObject:
			_, err := r.json.ReadToken()
			return unquoted(err)
		case jsontext.KindString, jsontext.KindInvalid:
			key, err := r.json.ReadValue()
			if err != nil {
				return unquoted(err)
			}
			if err := each(key); err != nil {
				return err
			}
		default:
			return errNotJSON
		}
	}
}

// elements reads an array. It calls the function each for every element. The
// function must read that element.
func (r reader) elements(each func() error) error {
	if _, err := r.json.ReadToken(); err != nil { // [
		return unquoted(err)
	}
	for {
		switch r.json.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := r.json.ReadToken()
			return unquoted(err)
		default:
			if err := each(); err != nil {
				return err
			}
		}
	}
}

// value returns the next raw value. For an object or array, it skips the value
// and returns nil, because this package needs no such field.
func (r reader) value() ([]byte, error) {
	switch r.json.PeekKind() {
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		return nil, unquoted(r.json.SkipValue())
	default:
		v, err := r.json.ReadValue()
		return v, unquoted(err)
	}
}

// unquoted replaces a library error that may quote the body.
func unquoted(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return errNotJSON
}

// kindOf returns the first byte of JSON that is not white space, or 0.
func kindOf(body []byte) byte {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return 0
	}
	return body[0]
}

// withoutBOM drops a byte order mark, which .NET often writes.
func withoutBOM(body []byte) []byte {
	return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
}
