package halotest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// detail answers GET /api/Client/{id} with the bare object.
func detail(c *call) answer {
	if strings.EqualFold(c.id, "me") {
		return answer{status: http.StatusUnauthorized} // as recorded for an application's token
	}
	e, a := c.client(c.id)
	if e == nil {
		return a
	}
	return success(e.appendDetail(make([]byte, 0, 2048), c.p))
}

// client returns the client with the given id or nil, together with Halo's answer.
func (c *call) client(text string) (*entry, answer) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, invalid("id", text)
	}
	t := c.tenant
	t.mu.RLock()
	e, deleted := t.all.get(id), t.deleted[id]
	t.mu.RUnlock()
	switch {
	case e == nil && deleted == nil:
		return nil, answer{status: http.StatusNotFound}
	case e == nil && c.p.DeletedStatus != http.StatusOK:
		return nil, answer{status: c.p.DeletedStatus}
	case e == nil:
		e = deleted
	}
	switch {
	case c.token.rights.reads(id):
		return e, answer{}
	case c.p.HiddenForbidden:
		return nil, answer{status: http.StatusForbidden}
	}
	return nil, answer{status: http.StatusNotFound}
}

// success returns a 200 with a JSON body.
func success(body []byte) answer {
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}}, body: body}
}

// invalid returns the answer to an invalid value of a parameter.
func invalid(key, value string) answer {
	a := answer{status: http.StatusBadRequest}
	a.json(append(appendInvalid([]byte{'{'}, key, value), '}'))
	return a
}

// changes are the values that a request sets. Ids may be in quotes or have a
// fraction.
type changes struct {
	*Client
	ID       json.Number `json:"id"`
	TopLevel json.Number `json:"toplevel_id"`
}

// save answers POST /api/Client. The body is an array. An object with an id updates the
// client with that id; fields that it omits stay unchanged. The answer is the last object
// alone (n8n, Midtown-Technology-Group/halocli).
func save(c *call) answer {
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if kind != "application/json" {
		return answer{status: http.StatusUnsupportedMediaType}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, maxForm))
	var objects []json.RawMessage
	if err != nil || json.Unmarshal(body, &objects) != nil || len(objects) == 0 {
		return invalid("", "client")
	}
	var id int64
	for _, object := range objects {
		head := changes{Client: new(Client)}
		if json.Unmarshal(object, &head) != nil {
			return invalid("[0]", "client")
		}
		if id = whole(head.ID); id <= 0 {
			id = c.tenant.Add(Client{Created: c.start})[0]
		} else if e, a := c.client(strconv.FormatInt(id, 10)); e == nil {
			return a
		}
		c.tenant.Update(id, func(to *Client) {
			// The object has already been decoded without an error above.
			_ = json.Unmarshal(object, &changes{Client: to})
			if level := whole(head.TopLevel); level > 0 && level != to.TopLevelID {
				to.TopLevelID, to.TopLevelName = level, ""
			}
		})
	}
	e, a := c.client(strconv.FormatInt(id, 10))
	if e != nil {
		a = success(e.appendDetail(nil, c.p))
		a.status = http.StatusCreated
	}
	return a
}

// whole returns a number without its fraction. An absent number is 0.
func whole(n json.Number) int64 {
	f, _ := n.Float64()
	return int64(f)
}

// remove answers DELETE /api/Client/{id} with the object (n8n).
func remove(c *call) answer {
	e, a := c.client(c.id)
	if e == nil {
		return a
	}
	if !c.tenant.Delete(e.ID) {
		return answer{status: http.StatusNotFound}
	}
	return success(e.appendDetail(nil, c.p))
}

// agent answers GET /api/Agent/me with the agent that the application logs in
// as. The live object has 2 MB (halocli, sweep_results.json).
func agent(c *call) answer {
	b := appendText([]byte(`{"id":3`), "name", c.app.id)
	b = append(b, `,"isdisabled":false,"is_agent":true,"claims":[{"type":"sub","value":`...)
	return success(append(appendString(b, c.app.id), `}]}`...))
}

const (
	reportID      = 1      // id of the only report
	maxReportRows = 50_000 // halocli, tests/test_reports_commands.py
)

// report answers GET /api/Report/{id}. With loadreport=true, the report has
// rows: all clients that the agent may read, with the column names of the table
// AREA.
func report(c *call) answer {
	if c.id != strconv.Itoa(reportID) {
		return answer{status: http.StatusNotFound}
	}
	b := append(strconv.AppendInt([]byte(`{"id":`), reportID, 10), `,"name":"Clients"`...)
	if isTrue(c.r.URL.Query().Get("loadreport")) {
		all := viewKey{filter: filter{active: true, inactive: true}, sort: SortByID}
		rows, _, _ := c.tenant.cut(all, false, c.token.rights, nil, func(total int) (int, int) { return 0, min(total, maxReportRows) })
		b = append(b, `,"report":{"loaded":true,"base_link":"","table_html":"","rows":[`...)
		for i, e := range rows {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(append(b, `{"aarea":`...), e.ID, 10)
			b = appendBool(appendText(b, "aareadesc", e.Name), "aisinactive", e.Inactive)
			b = append(b, '}')
		}
		b = append(b, `]}`...)
	}
	return success(append(b, '}'))
}

// instance answers GET /api/authinfo and GET /api/InstanceInfo, which need no
// token.
func instance(c *call) answer {
	name := ""
	if c.tenant != nil {
		name = c.tenant.name
	}
	if c.route == RouteAuthInfo {
		return success(object("auth_url", c.root()+"/auth", "tenant_id", name))
	}
	return success(object("app_name", "Halo PSA", "app_version", "2.250.1", "database_version", "2250",
		"agent_url", c.root(), "auth_url", c.root()+"/auth", "tenant_id", name))
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
