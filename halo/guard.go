package halo

import (
	"fmt"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// public knows which addresses IANA keeps for special purposes; it does not
// change.
var public = ssrf.New(ssrf.WithAnyPort())

// metadata are the addresses at which clouds hand out credentials to whoever
// asks. Those that are public or in a range of carriers are why the list is
// needed.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google, Oracle and others
	netip.MustParseAddr("169.254.170.2"),   // AWS, containers
	netip.MustParseAddr("169.254.170.23"),  // AWS, Kubernetes
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("fd00:ec2::23"),
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("168.63.129.16"),   // Azure: a public address, answered by the host below
	netip.MustParseAddr("192.0.0.192"),     // Oracle
}

// A refusedError says why an address is not called. It is the same whether
// anything listens there or not, because that was not tried, and it does not
// show what a name leads to.
type refusedError struct {
	host, why string
}

func (e *refusedError) Error() string { return e.host + " " + e.why + "; " + whatToDo }

// whatToDo is what a person reads who meant such a host.
const whatToDo = "if your Halo is there, HALOSYNC_ALLOW_HOSTS must list it"

// check says, with a [*refusedError], why a connection to an address, to which
// host led, is not made.
func (a *Allow) check(host string, to netip.AddrPort) error {
	if a.addr(to.Addr(), to.Port()) {
		return nil
	}
	kind, port := forbidden(to.Addr()), badPort(to.Port())
	if a.name(host, to.Port()) {
		kind, port = never(to.Addr()), "" // whoever listed the name did not mean these
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

// badPort says why a port is not called, or "". Below 1024 are other
// services, which have no business with what a user of ours types.
func badPort(port uint16) string {
	if port == 443 || port >= 1024 {
		return ""
	}
	return fmt.Sprintf("has port %d, which is another service's: Halo is on 443, or from 1024 on", port)
}

// forbidden says what kind of address ip is that is not called, or "" for one
// of the public internet. The library decides; what it does not know is
// metadata in public ranges and IPv4 inside a public IPv6 address.
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

// never says what kind of address ip is that not even an allowed name may
// lead to, or "".
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

// embedded returns the IPv4 address inside an IPv6 one, where its form tells:
// mapped, compatible, translated (NAT64) and ISATAP. In 6to4 and Teredo the
// whole range is refused anyway.
func embedded(ip netip.Addr) (netip.Addr, bool) {
	if !ip.Is6() {
		return netip.Addr{}, false
	}
	b := ip.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case ip.Is4In6(), nat64.Contains(ip):
		return last, true
	case compatible.Contains(ip) && b[12] != 0: // not :: and ::1
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
