package halo

import (
	"fmt"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// public rejects addresses that IANA reserves for special purposes. It is
// read-only.
var public = ssrf.New(ssrf.WithAnyPort())

// metadata lists the addresses at which clouds give credentials to any caller.
// The list is needed because some of these addresses are public or in a
// carrier's range.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google, Oracle and others
	netip.MustParseAddr("169.254.170.2"),   // AWS, containers
	netip.MustParseAddr("169.254.170.23"),  // AWS, Kubernetes
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("fd00:ec2::23"),
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("168.63.129.16"),   // Azure: a public address that the virtual machine's host answers
	netip.MustParseAddr("192.0.0.192"),     // Oracle
}

// refusedError explains why an address is refused. No connection is attempted,
// so the error does not reveal whether a server listens at the address. It also
// does not show what a name resolves to.
type refusedError struct {
	host, why string
}

func (e *refusedError) Error() string { return e.host + " " + e.why + "; " + allowHint }

// allowHint is the advice for a refused host.
const allowHint = "if your Halo runs there, add it to HALOSYNC_ALLOW_HOSTS"

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
		return &refusedError{host, "resolves to " + kind}
	case kind != "":
		return &refusedError{host, "is " + kind}
	case port != "":
		return &refusedError{host, port}
	}
	return nil
}

// badPort returns the reason why a port is refused, or "" if it is allowed.
// Ports below 1024 belong to other services, which must not receive a user's
// input.
func badPort(port uint16) string {
	if port == 443 || port >= 1024 {
		return ""
	}
	return fmt.Sprintf("has port %d, which belongs to another service: Halo uses port 443 or a port from 1024 up", port)
}

// forbidden returns the reason why ip is refused, or "" for a public address.
// It also refuses two kinds of address that the library accepts: metadata
// services in public ranges, and IPv4 addresses inside public IPv6 addresses.
func forbidden(ip netip.Addr) string {
	if why := never(ip); why != "" {
		return why
	}
	if inner, ok := embedded(ip); ok && (ip.Is4In6() || forbidden(inner) != "") {
		return "an IPv4 address inside an IPv6 address"
	}
	switch {
	case ip.Zone() != "":
		return "an address that is tied to one network interface"
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsPrivate():
		return "a private address"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case public.SafeAddr(ip) != nil:
		return "an address that is not on the public internet"
	}
	return ""
}

// never returns the reason why ip is refused even under an allowed name, or ""
// if there is none.
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
// compatible, translated (NAT64) or ISATAP. 6to4 and Teredo are not handled
// here, because their ranges are refused as a whole.
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
