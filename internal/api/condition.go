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
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"The ETag of the connection as read by the caller. If someone else has changed the connection since then, the answer is 412. Without it, the last change wins."`
}

// etag returns the version of a connection's editable fields, in quotes. Counts, such as the
// number of mappings, do not affect it.
func etag(c repo.Connection) string { return `"` + version(c) + `"` }

func version(c repo.Connection) string { return strconv.FormatInt(c.UpdatedAt.UnixMicro(), 36) }

// edit finds a connection for a change. It returns an engine and a store that refuse the
// change if someone else has changed the connection since the caller read it. They check
// this in the transaction that makes the change.
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

// met reports whether the condition holds. It also returns the version of the connection
// that the condition names, or the zero time if there is no condition.
func (c Condition) met(conn repo.Connection) (time.Time, bool) {
	given := strings.TrimSpace(c.IfMatch)
	if given == "" {
		return time.Time{}, true
	}
	for given != "" {
		var tag string
		switch tag, given = cutTag(given); {
		case tag == "*":
			return time.Time{}, true
		case sameTag(tag, version(conn)):
			return conn.UpdatedAt, true
		}
	}
	return time.Time{}, false
}

// cutTag returns the first entity tag of a list, without its quotes and without the prefix
// W/ of a weak tag, which compressing proxies add. It also accepts an unquoted tag, and a
// suffix after the quotes.
func cutTag(list string) (tag, rest string) {
	list = strings.TrimLeft(list, " \t,")
	list = strings.TrimPrefix(strings.TrimPrefix(list, "W/"), "w/")
	if quoted, ok := strings.CutPrefix(list, `"`); ok {
		if tag, list, ok = strings.Cut(quoted, `"`); !ok {
			return "", ""
		}
	}
	suffix, rest, _ := strings.Cut(list, ",")
	return tag + strings.TrimSpace(suffix), rest
}

// codings are the names that compressing proxies append to a tag: Apache and Caddy append
// "-gzip", Jetty "--gzip", others ";gzip".
var codings = []string{"gzip", "x-gzip", "br", "zstd", "deflate", "df", "compress", "dcb", "dcz"}

// sameTag reports whether tag equals own, with or without a proxy's suffix.
func sameTag(tag, own string) bool {
	suffix, ok := strings.CutPrefix(tag, own)
	if !ok || suffix == "" {
		return ok
	}
	for _, separator := range []string{"--", "-", ";", ":", "/"} {
		coding, ok := strings.CutPrefix(suffix, separator)
		for _, c := range codings {
			if ok && strings.EqualFold(coding, c) {
				return true
			}
		}
	}
	return false
}
