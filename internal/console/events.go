package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// eventsPage is the data of the Events page.
type eventsPage struct {
	Rows         []eventRow
	Next, Newest string
	Mapping, Run string
	Since        string
	Filtered     bool
}

// eventRow is an event with its changes.
type eventRow struct {
	repo.Event
	Changes    []change
	Connection string // name; empty if the connection was removed
}

// change is the value of a field before and after an event.
type change struct{ Field, Before, After string }

// events lists who did what, newest first.
func (c *Console) events(r *request) error {
	p := eventsPage{Mapping: r.value("mapping"), Run: r.value("run"), Since: r.value("since")}
	p.Filtered = p.Mapping != "" || p.Run != "" || p.Since != ""
	filter, err := p.filter(r.value("before"))
	if err != nil {
		return err
	}
	filter.Limit = pageRows + 1
	events, err := c.store.Events(r.Context(), r.Tenant, filter)
	if err != nil {
		return err
	}
	connections, err := c.store.ConnectionNames(r.Context(), r.Tenant)
	if err != nil {
		return err
	}
	if len(events) > pageRows {
		events = events[:pageRows]
		p.Next = r.with("before", fmt.Sprint(events[pageRows-1].ID))
	}
	if filter.Before > 0 {
		p.Newest = r.with("before", "")
	}
	names := namesOf(connections)
	for _, e := range events {
		row := eventRow{Event: e, Changes: changes(e.Before, e.After)}
		if e.ConnectionID != nil {
			row.Connection = names[*e.ConnectionID]
		}
		p.Rows = append(p.Rows, row)
	}
	return r.render("events", "Events", p)
}

func (p eventsPage) filter(before string) (f repo.EventFilter, err error) {
	if f.MappingID, err = filterID(p.Mapping, "Invalid mapping id. Follow the link in the list of mappings."); err != nil {
		return f, err
	}
	if f.RunID, err = filterID(p.Run, "Invalid run id. Follow the link on the page of the run."); err != nil {
		return f, err
	}
	if p.Since != "" {
		if f.Since, err = time.Parse(time.DateOnly, p.Since); err != nil {
			return f, &problem.InputError{Reason: "Invalid date. Enter it as 2026-11-28."}
		}
	}
	if before != "" {
		if f.Before, err = strconv.ParseInt(before, 10, 64); err != nil || f.Before <= 0 {
			return f, problem.ErrNoPage
		}
	}
	return f, nil
}

// changes compares two JSON objects and returns the fields that differ. A value that is not
// an object is compared as a whole.
func changes(before, after json.RawMessage) []change {
	old, new := fieldsOf(before), fieldsOf(after)
	var names []string
	for name := range old {
		names = append(names, name)
	}
	for name := range new {
		if _, both := old[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []change
	for _, name := range names {
		was, is := plainValue(old[name]), plainValue(new[name])
		if was != is {
			all = append(all, change{strings.ReplaceAll(name, "_", " "), was, is})
		}
	}
	return all
}

func fieldsOf(raw json.RawMessage) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &fields) != nil {
		if len(raw) == 0 {
			return nil
		}
		return map[string]json.RawMessage{"value": raw}
	}
	return fields
}

// plainValue returns a JSON value as text: a string without quotes, a time in UTC, and
// null as an empty string.
func plainValue(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return at.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		return text
	}
	return string(raw)
}
