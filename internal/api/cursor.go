package api

import (
	"encoding/base64"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/problem"
)

// Page contains the parameters that every list with a cursor has.
type Page struct {
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Maximum number of items."`
	After string `query:"after" maxLength:"400" doc:"Cursor: the value of next from the previous page. Empty for the first page." example:""`
}

// list is one page of a list.
type list[T any] struct {
	Items []T     `json:"items" nullable:"false" doc:"In the order that the operation describes."`
	Next  *string `json:"next" doc:"Cursor of the next page; null on the last page."`
}

type listOf[T any] struct{ Body list[T] }

// page returns a page of the first rows, at most limit of them. The caller passes the rows
// and the error that result from reading limit+1 rows. The function where returns the
// cursor of a row.
func page[R, V any](rows []R, err error, limit int, view func(R) V, where func(R) string) (*listOf[V], error) {
	if err != nil {
		return nil, err
	}
	out := list[V]{Items: make([]V, 0, min(limit, len(rows)))}
	for _, row := range rows[:min(limit, len(rows))] {
		out.Items = append(out.Items, view(row))
	}
	if len(rows) > limit {
		next := where(rows[limit-1])
		out.Next = &next
	}
	return &listOf[V]{out}, nil
}

// cursor encodes a position in the list named by kind. The result is opaque, so that
// clients do not rely on its parts.
func cursor(kind string, parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(append([]string{kind}, parts...), "\n")))
}

// parseCursor returns the n parts of a cursor, or nil for an empty string.
func parseCursor(kind, text string, n int) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.SplitN(string(raw), "\n", n+1)
	if err != nil || len(parts) != n+1 || parts[0] != kind || plaintext.Check(strings.Join(parts[1:], "")) != nil {
		return nil, fault("query.after", "not a cursor of this list: use the value of next from the previous page")
	}
	return parts[1:], nil
}

// afterID returns the id in the cursor of a list that is ordered by id. It returns the
// zero id for the first page.
func afterID(kind, text string) (uuid.UUID, error) {
	parts, err := parseCursor(kind, text, 1)
	if err != nil || parts == nil {
		return uuid.Nil, err
	}
	id, err := uuid.Parse(parts[0])
	if err != nil {
		return uuid.Nil, fault("query.after", "not a cursor of this list")
	}
	return id, nil
}

// fault returns an error for an invalid part of a request that the library did not
// detect.
func fault(place, why string) error { return &problem.InputError{Place: place, Reason: why} }
