// Package view declares the JSON records that the API and the command line share. The tags
// doc, example, enum and format describe a field in the OpenAPI document.
package view

import (
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// Each returns the views of items. The result is never nil, so that an empty list is [] in
// JSON.
func Each[T, V any](items []T, view func(T) V) []V {
	views := make([]V, len(items))
	for i, item := range items {
		views[i] = view(item)
	}
	return views
}

// UTC returns t in UTC, the time zone of all times in JSON.
func UTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// itemIDs returns the ids of an item's company and client. An id is nil if the item does
// not have it.
func itemIDs(item repo.RunItem) (company *string, client *int64) {
	if item.CompanyID != uuid.Nil {
		company = idText(&item.CompanyID)
	}
	if item.ClientID != 0 {
		client = &item.ClientID
	}
	return company, client
}

func runID(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	text := engine.RunID(*id)
	return &text
}

func idText(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	text := id.String()
	return &text
}
