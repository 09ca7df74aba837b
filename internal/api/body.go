package api

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxBody is the maximum size of a request body in bytes.
	maxBody = 1 << 20
	// bodyTimeout limits how long a caller may take to send the body.
	bodyTimeout = 20 * time.Second
)

// readBody reads the body of a request within the limits and keeps it in memory for the
// next handlers.
func (h *Handler) readBody(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Body == nil {
		next(ctx)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // fails only for an httptest.ResponseRecorder
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	_ = control.SetReadDeadline(time.Time{})
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case len(body) > maxBody, errors.As(err, new(*http.MaxBytesError)):
		h.refuse(ctx, http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB: split the request")
		return
	case isNetwork && network.Timeout():
		h.refuse(ctx, http.StatusRequestTimeout, "the body did not arrive in time")
		return
	case err != nil:
		h.refuse(ctx, http.StatusBadRequest, "the body is incomplete")
		return
	case len(body) > 0 && !isJSON(r.Header.Get("Content-Type")):
		h.refuse(ctx, http.StatusUnsupportedMediaType, "unsupported body type: want Content-Type: application/json")
		return
	}
	r.Header.Set("Content-Type", "application/json") // the library knows only this spelling
	r.Body = io.NopCloser(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	next(ctx)
}

// isJSON reports whether a content type is JSON, regardless of case and parameters. An
// empty content type counts as JSON.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)) && kind == "application/json"
}

// format returns a codec for JSON. Unlike encoding/json, it refuses duplicate members,
// unknown members and members whose names differ in case.
func format() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error { return huma.DefaultJSONFormat.Marshal(w, v) },
		Unmarshal: func(data []byte, v any) error {
			err := jsonv2.Unmarshal(data, v, jsonv2.RejectUnknownMembers(true), jsonv2.WithUnmarshalers(jsonv2.UnmarshalFromFunc(integer)))
			if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok { // the message may quote a value and contains names of Go types
				return errors.New("does not match the API description at " + place(semantic.JSONPointer))
			}
			if whole, ok := v.(*any); ok && err == nil {
				return refuseNull(*whole, "")
			}
			return err
		},
	}
}

// integer reads a whole number in any JSON spelling, such as 13, 13.0 and 1.3e1. Some
// languages write all numbers with a fraction. The schema has already limited it to
// integers that a float64 represents exactly.
func integer(dec *jsontext.Decoder, v *int64) (err error) {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if *v, err = strconv.ParseInt(string(raw), 10, 64); err == nil {
		return nil
	}
	const exact = 1 << 53
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return errors.New("want a whole number")
	}
	*v = int64(f)
	return nil
}

// refuseNull returns an error if v contains a null, which the library would treat like a
// missing field.
func refuseNull(v any, at jsontext.Pointer) error {
	switch v := v.(type) {
	case nil:
		return errors.New("null is not allowed at " + place(at) + ": omit it, or give a value")
	case map[string]any:
		for name, field := range v {
			if err := refuseNull(field, at.AppendToken(name)); err != nil {
				return err
			}
		}
	case []any:
		for i, item := range v {
			if err := refuseNull(item, at.AppendToken(strconv.Itoa(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

func place(p jsontext.Pointer) string {
	if p == "" {
		return "its root"
	}
	return string(p)
}
