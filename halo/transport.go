package halo

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// NewTransport returns a transport that connects only to public addresses, on
// port 443 or ports from 1024, and to the entries of allow. A nil allow has no
// entries. The address is checked when it is dialled, after resolution, so that
// a name cannot change its address between check and use. If a name resolves to several
// addresses, only those that pass the check are tried. A name in allow may resolve to any
// address except metadata services, multicast and 0.0.0.0.
//
// The transport ignores proxy settings in the environment: with such a proxy,
// the check would apply to the proxy's address. It requires TLS 1.2 or newer.
// For a private certificate authority, set TLSClientConfig.RootCAs to the
// result of [LoadRoots]. Share one transport among many [API]s.
func NewTransport(allow *Allow) *http.Transport { return newTransport(allow, wiring{}) }

// NewProxyTransport is like [NewTransport], but calls Halo through a proxy. The
// same addresses are allowed: each is checked before the proxy is asked for it.
// If proxy is nil, there is no proxy.
func NewProxyTransport(allow *Allow, proxy *Proxy) *http.Transport {
	return newTransport(allow, wiring{proxy: proxy})
}

// wiring is the path to the network; tests replace parts of it. The zero value is the real
// network without a proxy. No field can permit a target that the guard refuses.
type wiring struct {
	proxy    *Proxy
	resolver *net.Resolver
	// last is called after the guard and before the kernel connects.
	last func(network, address string) error
}

func newTransport(allow *Allow, w wiring) *http.Transport {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Resolver: w.resolver}
			dialer.Control = func(network, address string, _ syscall.RawConn) error {
				to, err := netip.ParseAddrPort(address)
				if err != nil {
					return &refusedError{host, "does not resolve to an IP address", neverHint}
				}
				if err := allow.check(host, to); err != nil || w.last == nil {
					return err
				}
				return w.last(network, address)
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if w.proxy != nil {
		proxied(transport, allow, w.proxy, w)
	}
	return transport
}
