package access

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ParseProxies parses the entries of HALOSYNC_TRUSTED_PROXIES. Each entry is an
// address or a CIDR block.
func ParseProxies(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		text = strings.TrimSpace(text)
		block, err := netip.ParsePrefix(text)
		if addr, notAddr := netip.ParseAddr(text); notAddr == nil {
			block, err = addr.Prefix(addr.BitLen())
		}
		switch {
		case err != nil || block.Addr().Is4In6():
			return nil, fmt.Errorf("%.80q: want an address or a CIDR block, such as 10.0.0.0/8", text)
		case block.Bits() == 0:
			return nil, fmt.Errorf("%.80q trusts every address, so that any client could claim to be another one", text)
		}
		all = append(all, block.Masked())
	}
	return all, nil
}

// proxies lists the addresses of the trusted proxies, whose forwarding headers are used.
type proxies []netip.Prefix

func (p proxies) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(block netip.Prefix) bool { return block.Contains(addr) })
}

// client returns the address of the client that sent a request. This is the peer of the
// connection or, if the peer is a trusted proxy, the last address in the forwarding
// headers that is not a trusted proxy. The client may have made up all entries to the
// left of that address. client returns the zero Addr if the address is unknown.
//
// A proxy usually sets one of the two headers and passes the other one through. If the
// headers name different clients, the client may have sent one of the headers itself, so
// client returns the address of the proxy.
func (p proxies) client(r *http.Request) netip.Addr {
	from := peer(r)
	if !p.trusts(from) {
		return from
	}
	var found []netip.Addr
	if all := strings.Join(r.Header.Values("X-Forwarded-For"), ","); all != "" {
		found = append(found, p.walk(from, strings.Split(all, ",")))
	}
	if hops := forwarded(r.Header, "for"); len(hops) > 0 {
		found = append(found, p.walk(from, hops))
	}
	if len(found) == 0 || len(found) == 2 && found[0] != found[1] {
		return from
	}
	return found[0]
}

// walk follows a chain of addresses from the right, as long as the last address
// is a trusted proxy. An entry that is not an address ends the chain.
func (p proxies) walk(last netip.Addr, chain []string) netip.Addr {
	for _, text := range slices.Backward(chain) {
		next := node(text)
		if !p.trusts(last) || !next.IsValid() {
			break
		}
		last = next
	}
	return last
}

// encrypted reports whether the client used https, according to a trusted proxy. The
// result said is false if the peer is not a trusted proxy, or if the proxy did not state
// the protocol.
func (p proxies) encrypted(r *http.Request) (https, said bool) {
	if !p.trusts(peer(r)) {
		return false, false
	}
	all := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
	for _, scheme := range append(all, forwarded(r.Header, "proto")...) {
		scheme = strings.TrimSpace(scheme)
		said = said || scheme != ""
		https = https || strings.EqualFold(scheme, "https")
	}
	return https, said
}

// forwarded returns a parameter from all elements of the headers Forwarded (RFC
// 7239). For an element without the parameter, it returns an empty string.
func forwarded(h http.Header, name string) (values []string) {
	all := strings.Join(h.Values("Forwarded"), ",")
	if strings.TrimSpace(all) == "" {
		return nil
	}
	// An open quotation mark from the client would hide what the proxy appended.
	if strings.Count(all, `"`)%2 != 0 {
		return []string{""}
	}
	for _, element := range splitQuoted(all, ',') {
		value := ""
		for _, pair := range splitQuoted(element, ';') {
			if n, v, ok := strings.Cut(pair, "="); ok && strings.EqualFold(strings.TrimSpace(n), name) {
				value = strings.Trim(strings.TrimSpace(v), `"`)
			}
		}
		values = append(values, value)
	}
	return values
}

// splitQuoted splits text at a separator outside quotation marks.
func splitQuoted(text string, separator rune) []string {
	quoted := false
	var parts []string
	start := 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// node reads an entry of a forwarding header: an address, with or without
// brackets and port. It returns the zero Addr for anything else.
func node(text string) netip.Addr {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		withPort, _ := netip.ParseAddrPort(text) // zero if this form is invalid, too
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone("")
}

// peer returns the address at the other end of the connection, or the zero Addr
// if it is unknown.
func peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap().WithZone("")
}

// network returns the network whose failed attempts are counted together: a single IPv4
// address, or an IPv6 network of 64 bits, because a client can use every address of its
// IPv6 network.
func network(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	block, _ := addr.Prefix(bits) // the zero Prefix for an unknown address
	return block
}

// sharedSpace is the address block of carrier-grade NAT. Clouds also assign addresses of
// this block to pods.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// near reports whether an address is on this machine or in a private network.
func near(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || sharedSpace.Contains(addr)
}

// isLoopback reports whether a host name without a port names this machine.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// hostName returns the host that a request names, without the port.
func hostName(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}
