package halotest

import (
	"net/http"
	"slices"
	"strconv"
)

// listForm is the form of a list route.
type listForm struct {
	key    string                  // of the rows in the envelope
	derive func([]*entry) []*entry // makes the rows from the clients; nil: the clients are the rows
	row    func(b []byte, c *call, e *entry, keep bool) []byte
}

// formOf returns the form of a list route. All lists except the list of clients are derived
// from the clients: each client with a main site has one site and one user.
func formOf(r Route) listForm {
	switch r {
	case RouteTopLevels:
		return listForm{"tree", topLevels, appendTopLevel}
	case RouteSites:
		return listForm{"sites", withSite, appendSite}
	case RouteUsers:
		return listForm{"users", withSite, appendUser}
	case RouteReports:
		return listForm{"reports", reports, appendReport}
	default:
		return listForm{"clients", nil, appendListed}
	}
}

// list answers the list routes. It appends the body to b.
func list(c *call, b []byte) answer {
	q := c.query
	if q.invalid != nil {
		a := answer{status: http.StatusBadRequest}
		a.json(q.invalid)
		return a
	}
	form := formOf(c.route)
	rows, total, keep := c.tenant.cut(q.key(c.p), q.desc, c.token.rights, form.derive, func(total int) (int, int) {
		return q.span(c.p, total)
	})
	if c.fault != nil && c.fault.kind == KindEmptyList {
		rows, total = nil, 0
	}

	b = slices.Grow(b, 256+len(rows)*1100)
	if !c.p.BareArray {
		b = appendEnvelope(b, c, form.key, c.claim(len(rows), total))
	}
	b = append(b, '[')
	for i, e := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = form.row(b, c, e, keep)
	}
	b = append(b, ']')
	if !c.p.BareArray {
		b = append(b, '}')
	}
	return answer{
		status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}}, body: b,
		list: c.route == RouteList, pooled: true, rows: len(rows), total: total,
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
func appendEnvelope(b []byte, c *call, key string, total int) []byte {
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
	return append(appendString(b, key), ':')
}

// appendListed appends one client with the keys that the parameters select.
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

func topLevels(clients []*entry) []*entry {
	var levels index
	for _, e := range clients {
		if e.TopLevelID != 0 && levels.get(e.TopLevelID) == nil {
			levels.put(&entry{Client: Client{ID: e.TopLevelID, Name: e.TopLevelName}})
		}
	}
	return levels
}

// appendTopLevel appends one row of /TopLevel. This row and the next two have
// those keys of a live Halo (halocli, sweep_results.json) that published
// clients read.
func appendTopLevel(b []byte, c *call, e *entry, _ bool) []byte {
	b = appendID(append(b, `{"id":`...), e.ID, c.p.IDs)
	b = appendText(b, "name", e.Name)
	b = appendText(b, "long_name", e.Name)
	return append(b, `,"type":0,"organisation_id":1}`...)
}

func withSite(clients []*entry) []*entry {
	return slices.DeleteFunc(slices.Clone(clients), func(e *entry) bool { return e.MainSiteID <= 0 })
}

// appendSite appends one row of /Site. client_id is a double, as in Halo.
func appendSite(b []byte, c *call, e *entry, _ bool) []byte {
	b = appendID(append(b, `{"id":`...), e.MainSiteID, c.p.IDs)
	b = appendText(b, "name", "Main")
	b = appendID(appendKey(b, "client_id"), e.ID, IDFloat)
	b = appendText(b, "client_name", e.Name)
	b = appendText(b, "clientsite_name", e.Name+"/Main")
	b = appendBool(b, "inactive", e.Inactive)
	b = appendInt(b, "key", e.MainSiteID)
	b = appendSome(b, "phonenumber", e.Phone)
	b = appendID(appendKey(b, "maincontact_id"), e.MainSiteID, IDInt)
	b = append(b, `,"table":3,"use":"site","sla_id":-1,"stopped":0,"isinvoicesite":true,"isstocklocation":false`...)
	return append(b, `,"colour":"`+colour(e.ID)+`"}`...)
}

// appendUser appends one row of /Users. site_id is a double, as in Halo.
func appendUser(b []byte, c *call, e *entry, _ bool) []byte {
	b = appendID(append(b, `{"id":`...), e.MainSiteID, c.p.IDs)
	b = append(b, `,"name":"General User","firstname":"General","surname":"User","initials":"GU"`...)
	b = appendInt(b, "client_id", e.ID)
	b = appendText(b, "client_name", e.Name)
	b = appendID(appendKey(b, "site_id"), e.MainSiteID, IDFloat)
	b = appendInt(b, "site_id_int", e.MainSiteID)
	b = appendText(b, "site_name", "Main")
	b = appendText(b, "emailaddress", e.Email)
	b = appendSome(b, "phonenumber", e.Phone)
	b = appendBool(b, "inactive", e.Inactive)
	b = appendInt(b, "key", e.MainSiteID)
	b = append(b, `,"table":1,"use":"user","linked_agent_id":0,"isserviceaccount":false,"isimportantcontact":false`...)
	return append(b, `,"colour":"`+colour(e.ID)+`"}`...)
}

// reports returns the only report, which does not depend on the clients.
func reports([]*entry) []*entry {
	return []*entry{{Client: Client{ID: reportID, Name: "Clients"}}}
}

func appendReport(b []byte, c *call, e *entry, _ bool) []byte {
	b = appendID(append(b, `{"id":`...), e.ID, c.p.IDs)
	return append(appendText(b, "name", e.Name), `,"type":0}`...)
}
