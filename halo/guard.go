package halo

import (
	"fmt"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// public holds the addresses that IANA reserves for special purposes. It is
// read-only.
var public = ssrf.New(ssrf.WithAnyPort())

// metadata lists the addresses at which clouds give credentials to any caller.
// The list is needed because some of them are public or in a carrier's range.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google, Oracle and others
	netip.MustParseAddr("169.254.170.2"),   // AWS, containers
	netip.MustParseAddr("169.254.170.23"),  // AWS, Kubernetes
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("fd00:ec2::23"),
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("168.63.129.16"),   // Azure: a public address, answered by the virtual machine's host
	netip.MustParseAddr("192.0.0.192"),     // Oracle
}

// refusedError explains why an address is not called. Nothing was tried, so the
// error does not depend on whether a server listens there, and it does not show
// what a name resolves to.
type refusedError struct {
	host, why string
}

func (e *refusedError) Error() string { return e.host + " " + e.why + "; " + allowHint }

// allowHint is the advice for a refused host.
const allowHint = "if your Halo is there, HALOSYNC_ALLOW_HOSTS must list it"

// check returns a [*refusedError] if calling host at the resolved address to is
// not allowed.
func (a *Allow) check(host string, to netip.AddrPort) error {
	if a.addr(to.Addr(), to.Port()) {
		return nil
	}
	kind, port := forbidden(to.Addr()), badPort(to.Port())
	if a.name(host, to.Port()) {
		kind, port = never(to.Addr()), "" // these stay forbidden even if the name is listed
	}
	_, notIP := netip.ParseAddr(host)
	switch {
	case kind != "" && notIP != nil:
		return &refusedError{host, "leads to " + kind}
	case kind != "":
		return &refusedError{host, "is " + kind}
	case port != "":
		return &refusedError{host, port}
	}
	return nil
}

// badPort returns the reason why a port is not called, or "" if it may be.
// Ports below 1024 belong to other services, which must not receive a user's
// input.
func badPort(port uint16) string {
	if port == 443 || port >= 1024 {
		return ""
	}
	return fmt.Sprintf("has port %d, which is another service's: Halo is on 443, or from 1024 on", port)
}

// forbidden returns the reason why ip is not called, or "" for a public
// address. It adds to the library's decision two cases that the library does
// not know: metadata services in public ranges, and IPv4 inside a public IPv6
// address.
func forbidden(ip netip.Addr) string {
	if why := never(ip); why != "" {
		return why
	}
	if inner, ok := embedded(ip); ok && (ip.Is4In6() || forbidden(inner) != "") {
		return "an IPv4 address inside an IPv6 one"
	}
	switch {
	case ip.Zone() != "":
		return "an address of one network interface"
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsPrivate():
		return "a private address"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case public.SafeAddr(ip) != nil:
		return "an address that is not of the public internet"
	}
	return ""
}

// never returns the reason why ip is not called even if an allowed name
// resolves to it, or "" if it may be.
func never(ip netip.Addr) string {
	plain := ip.WithZone("")
	if inner, ok := embedded(plain); ok {
		plain = inner
	}
	switch {
	case !ip.IsValid():
		return "no IP address"
	case slices.Contains(metadata, plain):
		return "the address of a cloud's metadata service"
	case plain.IsMulticast(), plain == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "a multicast or broadcast address"
	case plain.IsUnspecified():
		return "an unspecified address"
	}
	return ""
}

// embedded returns the IPv4 address inside an IPv6 address that is mapped,
// compatible, translated (NAT64) or ISATAP. The ranges of 6to4 and Teredo are
// refused as a whole.
func embedded(ip netip.Addr) (netip.Addr, bool) {
	if !ip.Is6() {
		return netip.Addr{}, false
	}
	b := ip.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case ip.Is4In6(), nat64.Contains(ip):
		return last, true
	case compatible.Contains(ip) && b[12] != 0: // excludes :: and ::1
		return last, true
	case (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return last, true
	}
	return netip.Addr{}, false
}

var (
	nat64      = ssrf.IPv6NAT64Prefix
	compatible = netip.MustParsePrefix("::/96")
)
