package halotest

import (
	"net/http"
	"strconv"
	"strings"
)

// detail answers GET /api/Client/{id} with the bare object.
func detail(c *call) answer {
	if strings.EqualFold(c.id, "me") {
		return answer{status: http.StatusUnauthorized} // recorded for an application's login
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
