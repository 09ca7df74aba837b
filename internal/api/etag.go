package api

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// Condition is what a change of a connection takes.
type Condition struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"The ETag under which the caller read the connection: the change is refused with 412 if somebody else has changed it since. Without it the last one wins."`
}

// etag names what editors change of a connection, and changes with it. Figures
// such as the number of mappings do not count.
func etag(c repo.Connection) string {
	return `"` + strconv.FormatInt(c.UpdatedAt.UnixMicro(), 36) + `"`
}

// edit finds a connection that is to be changed, and the engine and the store
// to do it with, which check in the change's own transaction that it is still
// as the caller has read it.
func (h *Handler) edit(ctx context.Context, p access.Principal, ref string, c Condition) (repo.Connection, *engine.Engine, *repo.Store, error) {
	conn, err := h.engine.FindConnection(ctx, p.Tenant, ref)
	if err != nil {
		return conn, nil, nil, err
	}
	seen, ok := c.met(conn)
	if !ok {
		return conn, nil, nil, repo.ErrChanged
	}
	return conn, h.engine.IfUnchanged(seen), h.store.IfUnchanged(seen), nil
}

// met says whether a condition holds for a connection, and as of when; the zero
// time if there is none.
func (c Condition) met(conn repo.Connection) (time.Time, bool) {
	given := strings.TrimSpace(c.IfMatch)
	if given == "" || given == "*" {
		return time.Time{}, true
	}
	for tag := range strings.SplitSeq(given, ",") {
		if strings.TrimSpace(tag) == etag(conn) {
			return conn.UpdatedAt, true
		}
	}
	return time.Time{}, false
}
