package halotest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plainRows is how many rows a list has without paging and without count.
const plainRows = 50

// serveList answers GET /Client. The caller holds the lock.
func (h *Halo) serveList(r *http.Request, t *Tenant, tok *token) (answer, *PageEvent) {
	h.lists++
	p, q := h.profile, r.URL.Query()
	ids := h.selectIDs(t, tok, q)
	rows, paged := slice(p, q, ids)
	event := &PageEvent{Tenant: t, Page: pageOf(r), Nth: h.lists}

	var b bytes.Buffer
	if !p.BareArray {
		writeEnvelope(&b, p, q, paged, len(ids))
	}
	b.WriteByte('[')
	for i, id := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(t.clients[id].row[p.IDs])
	}
	b.WriteByte(']')
	if !p.BareArray {
		b.WriteByte('}')
	}
	return answer{status: http.StatusOK, kind: "application/json; charset=utf-8", body: b.Bytes()}, event
}

// writeEnvelope writes what comes before the rows.
func writeEnvelope(b *bytes.Buffer, p Profile, q url.Values, paged bool, total int) {
	b.WriteByte('{')
	if paged {
		size := atoi(q.Get("page_size"), plainRows)
		fmt.Fprintf(b, `"page_no":%d,`, max(1, atoi(q.Get("page_no"), 1)))
		switch p.Echo {
		case EchoRequested:
			fmt.Fprintf(b, `"page_size":%d,`, size)
		case EchoEffective:
			fmt.Fprintf(b, `"page_size":%d,`, capped(size, p.PageCap))
		}
	}
	switch p.Count {
	case CountInt:
		fmt.Fprintf(b, `"record_count":%d,`, total)
	case CountString:
		fmt.Fprintf(b, `"record_count":"%d",`, total)
	}
	b.WriteString(`"clients":`)
}

// slice cuts the page out of the ids. Paging happens only with
// pageinate=true, so spelt; without it the first rows come, whatever the page.
func slice(p Profile, q url.Values, ids []int64) (rows []int64, paged bool) {
	if !isTrue(q.Get("pageinate")) {
		return ids[:min(len(ids), max(0, atoi(q.Get("count"), plainRows)))], false
	}
	size := capped(max(1, atoi(q.Get("page_size"), plainRows)), p.PageCap)
	page := max(1, atoi(q.Get("page_no"), 1))
	last := max(1, (len(ids)+size-1)/size)
	if page > last {
		switch p.PastEnd {
		case PastEndEmpty:
			return nil, true
		case PastEndLast:
			page = last
		case PastEndFirst:
			page = 1
		}
	}
	from := min(len(ids), (page-1)*size)
	return ids[from:min(len(ids), from+size)], true
}

func capped(size, most int) int {
	if most > 0 {
		return min(size, most)
	}
	return size
}

// selectIDs gives the ids of the clients that a list shows, in its order.
func (h *Halo) selectIDs(t *Tenant, tok *token, q url.Values) []int64 {
	active, inactive := true, false
	if v := q.Get("includeactive"); v != "" {
		active = isTrue(v)
	}
	if v := q.Get("includeinactive"); v != "" {
		inactive = isTrue(v)
	}
	if a, i, ok := strings.Cut(q.Get("activeinactive"), ","); ok {
		active, inactive = isTrue(a), isTrue(i)
	}

	ids := t.all
	byID := h.profile.Default == OrderID || !h.profile.IgnoreOrder && strings.EqualFold(q.Get("order"), "id")
	if h.profile.IgnoreOrder {
		byID = h.profile.Default == OrderID
	}
	switch {
	case !byID:
		ids = t.named()
	case active && !inactive:
		ids = t.active
	}
	keep := h.filter(t, tok, q, active, inactive, byID)
	if keep != nil {
		ids = slices.Collect(func(yield func(int64) bool) {
			for _, id := range ids {
				if keep(t.clients[id]) && !yield(id) {
					return
				}
			}
		})
	}
	if isTrue(q.Get("orderdesc")) { // 1 is not true: it sorts ascending
		ids = slices.Clone(ids)
		slices.Reverse(ids)
	}
	return ids
}

// filter returns which clients to keep, or nil if the ids need no filter.
func (h *Halo) filter(t *Tenant, tok *token, q url.Values, active, inactive, byID bool) func(*record) bool {
	search, nameOnly := strings.ToLower(strings.TrimSpace(q.Get("search"))), isTrue(q.Get("search_name_only"))
	topLevel := atoi(q.Get("toplevel_id"), 0)
	var since time.Time
	if h.profile.LastUpdate {
		since, _ = time.Parse("2006-01-02T15:04:05", strings.TrimSuffix(q.Get("lastupdatefromdate"), "Z"))
	}
	free := search == "" && topLevel == 0 && since.IsZero() && tok.rights.all
	if free && active && (inactive || byID) {
		return nil
	}
	return func(r *record) bool {
		switch {
		case r.Inactive && !inactive, !r.Inactive && !active, !tok.rights.sees(r.ID):
			return false
		case topLevel != 0 && r.TopLevelID != int64(topLevel):
			return false
		case r.updated.Before(since):
			return false
		case search == "":
			return true
		case nameOnly:
			return strings.Contains(strings.ToLower(r.Name), search)
		}
		return strings.Contains(r.text, search)
	}
}

// isTrue reads a flag as Halo does: true in any case, nothing else.
func isTrue(s string) bool { return strings.EqualFold(s, "true") }

func atoi(s string, missing int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return missing
}

// serveDetail answers GET /Client/{id}. The caller holds the lock.
func (h *Halo) serveDetail(r *http.Request, t *Tenant, tok *token) answer {
	text := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if strings.EqualFold(text, "me") {
		return answer{status: http.StatusUnauthorized} // an application is nobody's client
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return jsonAnswer(http.StatusBadRequest, map[string][]string{"id": {fmt.Sprintf("The value '%s' is not valid.", text)}})
	}
	c, ok := t.clients[n]
	if !ok || !tok.rights.sees(n) {
		return answer{status: http.StatusNotFound}
	}
	return jsonAnswer(http.StatusOK, c.detail(h.profile.IDs))
}
