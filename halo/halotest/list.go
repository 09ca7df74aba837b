package halotest

import (
	"net/http"
	"slices"
	"strconv"
)

// list answers GET /api/Client. It writes to b.
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
		b = appendEnvelope(b, c, total)
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

// appendEnvelope appends everything before the rows. page_no and page_size are
// there only if the list is paged; a consumer was seen to fail without them.
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
	case CountNumber:
		b = append(strconv.AppendInt(append(b, `"record_count":`...), int64(total), 10), ',')
	case CountString:
		b = append(strconv.AppendInt(append(b, `"record_count":"`...), int64(total), 10), '"', ',')
	case CountMissing:
	}
	return append(b, `"clients":`...)
}

// appendListed appends one row with what the parameters ask for.
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
