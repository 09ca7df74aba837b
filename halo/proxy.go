package halo

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Proxy is an HTTP proxy for all calls to Halo. The operator chooses it, so its own
// address is not checked. Printing a Proxy never shows its password. It is immutable.
type Proxy struct {
	url     *url.URL
	address string // host:port
}

// ParseProxy parses the address of a proxy: http://host:port, or https://host:port for a
// proxy that is called over TLS, with an optional user:password@ in front of the host.
// Without a scheme it is http. Errors never quote the address, because a malformed
// password can end up in any part of it.
func ParseProxy(address string) (*Proxy, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("is malformed: want http://host:port; write special characters in user and password as %xx")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("has an unknown scheme: want http://host:port or https://host:port")
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("want http://host:port and nothing after the port")
	}
	u.Path, u.Host = "", strings.ToLower(u.Host)
	p := &Proxy{u, hostAndPort(u)}
	host, port, err := net.SplitHostPort(p.address)
	if err == nil {
		_, err = parsePort(port)
	}
	if err != nil || strings.ContainsAny(host, "[]<>\"` ") {
		return nil, errors.New("has a malformed host or port: want http://host:port")
	}
	return p, nil
}

// hostAndPort returns the host and the port of a URL, with the scheme's default port.
func hostAndPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// String returns the address without user and password.
func (p *Proxy) String() string { return p.url.Scheme + "://" + p.address }

// GoString is String, so that no verb of fmt shows the password.
func (p *Proxy) GoString() string { return p.String() }

// Format prints the address without user and password, regardless of the verb.
func (p *Proxy) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// proxyError reports that the proxy did not connect to Halo. It does not show the proxy's
// address, because not everyone who sees the error is permitted to know it.
type proxyError struct {
	why  string
	next next
}

func (e *proxyError) Error() string { return "the proxy in HALOSYNC_PROXY " + e.why }

// errProxyCredentials reports an answer with status 407, which only a proxy sends.
var errProxyCredentials = &proxyError{"does not accept its user and password (status 407)", giveUp}

const (
	dialTimeout = 10 * time.Second
	// maxProxyHeader bounds the size in bytes of the proxy's answer to CONNECT.
	maxProxyHeader = 64 << 10
)

// proxied configures transport to call Halo through a proxy. The guard checks Halo's
// address before the proxy is asked for it, and the proxy is asked for the address that was
// checked, not for the name, which it could resolve differently. If a name is listed in
// allow, the proxy is asked for the name, because some proxies filter by name.
//
// Calls over https use a tunnel. Plain http, which is possible only for listed hosts, is
// sent to the proxy without a tunnel.
func proxied(transport *http.Transport, allow *Allow, p *Proxy, w wiring) {
	lookUp := w.resolver
	if lookUp == nil {
		lookUp = net.DefaultResolver
	}
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		address := hostAndPort(r.URL)
		switch {
		case strings.EqualFold(address, p.address): // DialContext would not check it
			return nil, &refusedError{p.url.Hostname(), "is the proxy of this installation", neverHint}
		case r.URL.Scheme != "http":
			return nil, nil //nolint:nilnil // DialContext builds the tunnel
		}
		_, err := allow.targets(r.Context(), lookUp, address)
		return p.url, err
	}
	transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		if address == p.address { // for plain http
			return p.dial(ctx, w)
		}
		list, err := allow.targets(ctx, lookUp, address)
		if err != nil {
			return nil, err
		}
		for _, target := range list {
			var conn net.Conn
			if conn, err = p.tunnel(ctx, w, target, transport.TLSClientConfig); err == nil {
				return conn, nil
			}
		}
		return nil, err
	}
}

// targets resolves an address for a proxy and checks the results like [Allow.check]. It
// returns the targets that the proxy may be asked for, or an error if there are none.
func (a *Allow) targets(ctx context.Context, resolver *net.Resolver, address string) ([]string, error) {
	if to, err := netip.ParseAddrPort(address); err == nil {
		if err := a.check(to.Addr().String(), to); err != nil {
			return nil, err
		}
		return []string{to.String()}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := parsePort(service)
	if err != nil {
		return nil, err
	}
	listed := a.name(host, port)
	addrs, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil && !listed && ctx.Err() == nil {
		return nil, &proxyError{"is not asked for " + host + ", because this machine cannot look up the name to check it; " +
			"add the name to HALOSYNC_ALLOW_HOSTS to let the proxy look it up", retryLater}
	}
	var allowed []string
	var refused error
	for _, ip := range addrs {
		to := netip.AddrPortFrom(ip.Unmap(), port)
		if err := a.check(host, to); err != nil {
			refused = err
		} else {
			allowed = append(allowed, to.String())
		}
	}
	switch {
	case listed && refused != nil: // the proxy would choose among the addresses itself
		return nil, refused
	case listed:
		return []string{address}, nil
	case len(allowed) == 0:
		return nil, refused
	}
	return allowed, nil
}

// dial connects to the proxy.
func (p *Proxy) dial(ctx context.Context, w wiring) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Resolver: w.resolver}
	conn, err := dialer.DialContext(ctx, "tcp", p.address)
	if err == nil {
		return conn, nil
	}
	why := "cannot be reached"
	if network, ok := errors.AsType[*net.OpError](err); ok && !network.Timeout() {
		if _, isDNS := errors.AsType[*net.DNSError](err); !isDNS {
			why += ": " + network.Err.Error()
		}
	}
	return nil, &proxyError{why, retryLater}
}

// tunnel returns a connection through the proxy to target, an address or a name with a
// port.
func (p *Proxy) tunnel(ctx context.Context, w wiring, target string, trust *tls.Config) (_ net.Conn, err error) {
	conn, err := p.dial(ctx, w)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw := conn
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // interrupts reads and writes
	defer func() {
		if !stop() && err == nil {
			err = &proxyError{"does not answer", retryLater}
		}
		if err != nil {
			_ = conn.Close()
		}
	}()
	if p.url.Scheme == "https" {
		secured := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trust.RootCAs, ServerName: p.url.Hostname()})
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, &proxyError{"cannot be trusted: no TLS connection with a valid certificate; add a private CA to HALOSYNC_CA_FILE", retryLater}
		}
		conn = secured
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{"User-Agent": {"halosync"}}}
	if user := p.url.User; user != nil {
		password, _ := user.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, &proxyError{"does not answer", retryLater}
	}
	answer := bufio.NewReader(io.LimitReader(conn, maxProxyHeader))
	resp, err := http.ReadResponse(answer, req)
	if err != nil {
		return nil, &proxyError{"does not answer like an HTTP proxy", retryLater}
	}
	_ = resp.Body.Close()
	switch status := resp.StatusCode; {
	case status == http.StatusProxyAuthRequired:
		return nil, errProxyCredentials
	case status >= http.StatusInternalServerError:
		return nil, &proxyError{fmt.Sprintf("cannot connect to Halo (status %d)", status), retryLater}
	case status/100 != 2:
		return nil, &proxyError{fmt.Sprintf("refuses to connect to Halo (status %d)", status), giveUp}
	case answer.Buffered() > 0:
		return nil, &proxyError{"does not answer like an HTTP proxy", retryLater}
	}
	return conn, nil
}
