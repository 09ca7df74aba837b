package api

import (
	"encoding/base64"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/problem"
)

// Page is what every list with a cursor takes.
type Page struct {
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items at most."`
	After string `query:"after" maxLength:"400" doc:"The next of the page before, as it came. Empty: the first page." example:""`
}

// list is one page of a list.
type list[T any] struct {
	Items []T     `json:"items" nullable:"false" doc:"In the order that the operation describes."`
	Next  *string `json:"next" doc:"The after of the next page; null: this is the last one."`
}

// cut makes a page of rows, of which one more than wanted was read. where gives
// the cursor of the last one that is shown.
func cut[R, V any](rows []R, limit int, view func(R) V, where func(R) string) list[V] {
	out := list[V]{Items: make([]V, 0, min(limit, len(rows)))}
	for _, row := range rows[:min(limit, len(rows))] {
		out.Items = append(out.Items, view(row))
	}
	if len(rows) > limit {
		next := where(rows[limit-1])
		out.Next = &next
	}
	return out
}

// cursor makes a place in a list opaque, so that nobody relies on what is in
// it. kind is the list's.
func cursor(kind string, parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(append([]string{kind}, parts...), "\n")))
}

// parseCursor reads what cursor made: n parts. An empty text has none.
func parseCursor(kind, text string, n int) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.SplitN(string(raw), "\n", n+1)
	if err != nil || len(parts) != n+1 || parts[0] != kind || plaintext.Check(strings.Join(parts[1:], "")) != nil {
		return nil, fault("query.after", "not a cursor of this list: take the next of the page before")
	}
	return parts[1:], nil
}

// afterID is the id in a list that is ordered by ids; zero: from the start.
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

// fault says what is wrong with a part of a request that the library takes for right.
func fault(place, why string) error { return &problem.InputError{Place: place, Reason: why} }
