package halo

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// NewTransport returns a transport that connects to public addresses and to
// those in allow; nil allows none. The address is checked when it is dialled,
// after resolution, so that a name cannot lead elsewhere between check and
// use. It takes no proxy from the environment, because the check would be of
// the proxy's address, and TLS 1.2 at least. Share one among many [API]s.
func NewTransport(allow *Allow) *http.Transport {
	guard := ssrf.New(ssrf.WithAnyPort())
	open := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	guarded := *open
	guarded.Control = func(network, address string, conn syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(address); err == nil && allow.addr(to.Addr(), to.Port()) {
			return nil
		}
		return guard.Safe(network, address, conn)
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, text, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			port, err := parsePort(text)
			if err != nil {
				return nil, fmt.Errorf("dial: %w", err)
			}
			if allow.name(host, port) {
				return open.DialContext(ctx, network, address)
			}
			return guarded.DialContext(ctx, network, address)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
