package access

import (
	"errors"
	"net/http"
	"sync"

	"go.uber.org/zap"
)

// errExposed means that a key was sent without encryption, so that others could read it.
var errExposed = errors.New("key sent over plain http")

const exposedText = "The API key was sent over plain http, so others may have read it. It was not accepted. Replace it, and send requests over https."

// exposed reports whether a request crossed a foreign network without encryption. This
// is the case if the request comes from a public address directly, or if a trusted proxy
// states that the client used plain http. Within a private network, plain http is usual
// between services. A trusted proxy that does not state the protocol is assumed to
// terminate TLS.
func (g *Guard) exposed(r *http.Request) bool {
	if https, said := g.proxies.encrypted(r); said {
		return !https
	}
	from := peer(r)
	return !g.proxies.trusts(from) && !near(from)
}

// mayCarryKey reports whether a key in the request may be accepted. For the first key
// that arrives without TLS, it logs a warning for the operator.
func (g *Guard) mayCarryKey(r *http.Request) bool {
	from := peer(r)
	switch {
	case g.exposed(r):
		g.hints.refused.Do(func() {
			g.log.Warn("API key refused, because it came over plain http; if a proxy terminates TLS, add it to HALOSYNC_TRUSTED_PROXIES", zap.Stringer("peer", from))
		})
		return false
	case !g.proxies.trusts(from) && !from.IsLoopback():
		g.hints.private.Do(func() {
			g.log.Warn("API key received over plain http from a private network", zap.Stringer("peer", from))
		})
	}
	return true
}

// hints limits each warning to one log line.
type hints struct{ private, refused, untrusted sync.Once }

// forwardingHeaders lists the headers that proxies add.
var forwardingHeaders = []string{"X-Forwarded-For", "Forwarded", "X-Forwarded-Proto"}

// hintAtProxy logs once that the service ignores the forwarding headers of a proxy.
func (g *Guard) hintAtProxy(r *http.Request) {
	from := peer(r)
	if g.proxies.trusts(from) || !near(from) { // anyone can send such headers from a public address
		return
	}
	for _, name := range forwardingHeaders {
		if r.Header.Get(name) != "" {
			g.hints.untrusted.Do(func() {
				g.log.Warn("forwarding headers of a proxy ignored, add it to HALOSYNC_TRUSTED_PROXIES if it is yours", zap.Stringer("peer", from))
			})
			return
		}
	}
}
