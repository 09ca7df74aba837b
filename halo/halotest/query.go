package halotest

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// defaultRows is the number of rows if a list request does not set one.
const defaultRows = 50

// query holds the list parameters that have an effect.
type query struct {
	filter
	page    int // from 1; 0: the list is not paged
	size    int // requested rows; 0: not set
	count   int // rows of an unpaged list; 0: not set
	order   string
	desc    bool
	idOnly  bool
	notes   bool
	website bool
	since   string // lastupdatefromdate
	invalid []byte // binding errors, or nil
}

// parseQuery reads the parameters of a list. Misspelt parameters have no
// effect.
func parseQuery(v url.Values, route Route, p *settings) query {
	q := query{
		order:   strings.ToLower(v.Get("order")),
		desc:    isTrue(v.Get("orderdesc")),
		notes:   isTrue(v.Get("includenotes")),
		website: isTrue(v.Get("include_website")),
		since:   v.Get("lastupdatefromdate"),
	}
	q.search = strings.ToLower(v.Get("search"))
	q.nameSearch = strings.ToLower(v.Get("search_name_only"))
	q.active, q.inactive = true, isTrue(v.Get("includeinactive"))
	if v.Has("includeactive") {
		q.active = isTrue(v.Get("includeactive"))
	}
	if a, b, ok := strings.Cut(v.Get("activeinactive"), ","); ok {
		q.active, q.inactive = isTrue(a), isTrue(b)
	}

	paged := isTrue(v.Get("pageinate")) // Halo's own spelling
	q.page = q.number(v, "page_no")
	q.size = q.number(v, "page_size")
	if p.StrictCount || !isBool(v.Get("count")) {
		q.count = q.number(v, "count")
	}
	q.topLevel = int64(q.number(v, "toplevel_id"))
	q.byTopLevel = q.topLevel > 0
	if route == RouteSites || route == RouteUsers {
		q.client = int64(q.number(v, "client_id"))
	}
	if q.invalid != nil {
		q.invalid = append(q.invalid, '}')
	}
	if paged {
		q.page = max(q.page, 1)
	} else {
		q.page = 0
	}
	q.idOnly = !paged && isTrue(v.Get("idonly"))
	return q
}

// isTrue accepts only "true", in upper, lower or mixed case. So orderdesc=1 leaves the
// order ascending (halocli mirror_evidence.json).
func isTrue(s string) bool { return strings.EqualFold(s, "true") }

func isBool(s string) bool { return isTrue(s) || strings.EqualFold(s, "false") }

// number reads a 32-bit integer, or records a binding error.
func (q *query) number(v url.Values, key string) int {
	s := v.Get(key)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		sep := byte(',')
		if q.invalid == nil {
			sep = '{'
		}
		q.invalid = append(q.invalid, sep)
		q.invalid = appendInvalid(q.invalid, key, s)
	}
	return int(n)
}

// appendInvalid appends "key":["The value 's' is not valid."]. This shape was
// recorded for a non-numeric id (halocli sweep_results.json).
func appendInvalid(b []byte, key, s string) []byte {
	b = append(appendString(b, key), ':', '[')
	return append(appendString(b, fmt.Sprintf("The value '%s' is not valid.", s)), ']')
}

// key returns the key of the list that q selects under the profile.
func (q query) key(p *settings) viewKey {
	k := viewKey{filter: q.filter, sort: p.DefaultSort}
	if !p.IgnoreOrder {
		switch q.order {
		case "id":
			k.sort = SortByID
		case "name":
			k.sort = SortByName
		}
	}
	if p.FilterByUpdate {
		if at, ok := parseDate(q.since); ok {
			k.since = at.UnixNano()
		}
	}
	return k
}

// parseDate reads a date. Its time, fraction of a second and zone are optional.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// rowsOf returns the maximum number of rows on a page of q under the profile.
func (q query) rowsOf(p *settings) int {
	n, capped := q.size, true
	if q.page == 0 {
		n, capped = q.count, p.CountCapped
	}
	if n < 1 {
		n = defaultRows
	}
	if capped && p.PageCap > 0 {
		n = min(n, p.PageCap)
	}
	return n
}

// span returns the range of the rows that q selects from total rows.
func (q query) span(p *settings, total int) (from, to int) {
	n := q.rowsOf(p)
	page := max(q.page, 1)
	last := max((total+n-1)/n, 1)
	if page > last {
		switch p.PastEnd {
		case PastEndEmpty:
			return total, total
		case PastEndRepeatsFirst:
			page = 1
		case PastEndRepeatsLast:
			page = last
		}
	}
	from = (page - 1) * n
	return from, min(total, from+n) // no overflow, because page, n and total have at most 32 bits
}
