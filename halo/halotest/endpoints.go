package halotest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// list answers GET /api/Client. It appends the body to b.
func list(c *call, b []byte) answer {
	q := c.query
	if q.invalid != nil {
		a := answer{status: http.StatusBadRequest}
		a.json(q.invalid)
		return a
	}
	rows, total, keep := c.tenant.cut(q.key(c.p), q.desc, c.token.rights, func(total int) (int, int) {
		return q.span(c.p, total)
	})
	if c.fault != nil && c.fault.kind == KindEmptyList {
		rows, total = nil, 0
	}

	b = slices.Grow(b, 256+len(rows)*1100)
	if !c.p.BareArray {
		b = appendEnvelope(b, c, c.claim(len(rows), total))
	}
	b = append(b, '[')
	for i, e := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendListed(b, c, e, keep)
	}
	b = append(b, ']')
	if !c.p.BareArray {
		b = append(b, '}')
	}
	return answer{
		status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}}, body: b,
		list: true, pooled: true, rows: len(rows), total: total,
	}
}

// claim returns the count that the envelope states.
func (c *call) claim(rows, total int) int {
	switch {
	case c.p.RecordCount == CountPage, c.p.RecordCount == CountFirstPage && c.query.page == 1:
		return rows
	case c.p.RecordCount == CountTooSmall:
		return total * 2 / 3
	case c.p.RecordCount == CountTooLarge:
		return total + 1
	}
	return total
}

// appendEnvelope appends everything before the rows. It writes page_no and
// page_size only if the list is paged. One known client library relies on these
// keys.
func appendEnvelope(b []byte, c *call, total int) []byte {
	b = append(b, '{')
	if c.query.page > 0 {
		b = strconv.AppendInt(append(b, `"page_no":`...), int64(c.query.page), 10)
		switch c.p.EchoSize {
		case EchoRequested:
			size := c.query.size
			if size < 1 {
				size = defaultRows
			}
			b = appendInt(b, "page_size", int64(size))
		case EchoEffective:
			b = appendInt(b, "page_size", int64(c.query.rowsOf(c.p)))
		case EchoMissing:
		}
		b = append(b, ',')
	}
	switch c.p.RecordCount {
	default:
		b = append(strconv.AppendInt(append(b, `"record_count":`...), int64(total), 10), ',')
	case CountString:
		b = append(strconv.AppendInt(append(b, `"record_count":"`...), int64(total), 10), '"', ',')
	case CountMissing:
	}
	return append(b, `"clients":`...)
}

// appendListed appends one row with the keys that the parameters select.
func appendListed(b []byte, c *call, e *entry, keep bool) []byte {
	if e.Raw != "" {
		return append(b, e.Raw...)
	}
	if c.query.idOnly {
		return append(appendID(append(b, `{"id":`...), e.ID, c.p.IDs), '}')
	}
	b = e.appendLogo(e.appendRow(b, c.p.IDs, keep), c.p)
	if c.query.notes {
		b = appendSome(b, "notes", e.Notes)
	}
	if c.query.website {
		b = appendSome(b, "website", e.Website)
	}
	return append(b, '}')
}

// detail answers GET /api/Client/{id} with the bare object.
func detail(c *call) answer {
	if strings.EqualFold(c.id, "me") {
		return answer{status: http.StatusUnauthorized} // as recorded for an application's token
	}
	id, err := strconv.ParseInt(c.id, 10, 64)
	if err != nil {
		a := answer{status: http.StatusBadRequest}
		a.json(append(appendInvalid([]byte{'{'}, "id", c.id), '}'))
		return a
	}
	t := c.tenant
	t.mu.RLock()
	e := t.all.get(id)
	t.mu.RUnlock()
	if e == nil {
		return answer{status: http.StatusNotFound}
	}
	if !c.token.rights.reads(id) {
		if c.p.HiddenForbidden {
			return answer{status: http.StatusForbidden}
		}
		return answer{status: http.StatusNotFound}
	}
	return answer{
		status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}},
		body: e.appendDetail(make([]byte, 0, 2048), c.p),
	}
}

// authInfo answers GET /api/authinfo, which needs no token.
func authInfo(c *call) answer {
	name := ""
	if c.tenant != nil {
		name = c.tenant.name
	}
	a := answer{status: http.StatusOK}
	a.json(object("auth_url", c.root()+"/auth", "tenant_id", name))
	return a
}

// discovery answers GET /auth/.well-known/openid-configuration.
func discovery(c *call) answer {
	auth := c.root() + "/auth"
	b := []byte(`{"issuer":`)
	b = appendString(b, auth+"/")
	b = appendText(b, "token_endpoint", auth+"/token")
	b = append(b, `,"grant_types_supported":["client_credentials"]`...)
	b = append(b, `,"token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"]}`...)
	a := answer{status: http.StatusOK}
	a.json(b)
	return a
}

// root returns the URL that the client used, without a path.
func (c *call) root() string {
	if c.r.TLS != nil {
		return "https://" + c.r.Host
	}
	return "http://" + c.r.Host
}
