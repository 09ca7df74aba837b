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

// Condition makes a change depend on the ETag of the connection.
type Condition struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"The ETag of the connection as read by the caller. If someone else changed the connection since, the answer is 412. Without it, the last change wins."`
}

// etag returns the version of what people can edit in a connection. Counts, such as the
// number of mappings, do not change it.
func etag(c repo.Connection) string {
	return `"` + strconv.FormatInt(c.UpdatedAt.UnixMicro(), 36) + `"`
}

// edit finds a connection to change. The engine and the store that it returns check, in
// the transaction of the change, that the connection is still as the caller read it.
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

// met reports whether the condition holds, and for which version of the connection;
// the zero time without a condition.
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
