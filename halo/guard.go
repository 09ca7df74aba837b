package halo

import (
	"fmt"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// The guard in the variable named public rejects addresses that IANA reserves for special
// purposes. It is read-only.
var public = ssrf.New(ssrf.WithAnyPort())

// metadata lists the addresses at which clouds give credentials to any caller.
// The list is needed because some of these addresses are public or in a
// carrier's range.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"),    // AWS, Azure, Google, Oracle and others
	netip.MustParseAddr("169.254.169.252"),    // Google, Kubernetes
	netip.MustParseAddr("169.254.170.2"),      // AWS, containers
	netip.MustParseAddr("169.254.170.23"),     // AWS, Kubernetes
	netip.MustParseAddr("169.254.0.23"),       // Tencent
	netip.MustParseAddr("169.254.42.42"),      // Scaleway
	netip.MustParseAddr("100.100.100.200"),    // Alibaba
	netip.MustParseAddr("100.96.0.96"),        // Volcano Engine
	netip.MustParseAddr("100.80.80.80"),       // UCloud
	netip.MustParseAddr("168.63.129.16"),      // Azure: a public address, answered by the virtual machine's host
	netip.MustParseAddr("192.0.0.192"),        // Oracle
	netip.MustParseAddr("fd00:ec2::254"),      // AWS
	netip.MustParseAddr("fd00:ec2::23"),       // AWS, Kubernetes
	netip.MustParseAddr("fd20:ce::254"),       // Google
	netip.MustParseAddr("fd00:c1::a9fe:a9fe"), // Oracle
	netip.MustParseAddr("fd00:42::42"),        // Scaleway
	netip.MustParseAddr("fd00:a9fe:a9fe::1"),  // Akamai
	netip.MustParseAddr("fd00:100::100:200"),  // Alibaba
	netip.MustParseAddr("fe80::a9fe:a9fe"),    // OpenStack
}

// refusedError explains why an address is refused. No connection is attempted, so the
// error does not reveal whether a server listens at the address. It does not show the
// addresses of a name, either.
type refusedError struct {
	host, why, hint string
}

func (e *refusedError) Error() string { return e.host + " " + e.why + "; " + e.hint }

// Advice for a refused host.
const (
	allowHint = "if your Halo runs there, add it to HALOSYNC_ALLOW_HOSTS"
	neverHint = "HALOSYNC_ALLOW_HOSTS cannot allow it"
)

// check returns a [*refusedError] if calling the given host at its resolved address is not
// allowed.
func (a *Allow) check(host string, to netip.AddrPort) error {
	is := "resolves to "
	if _, err := netip.ParseAddr(host); err == nil {
		is = "is "
	}
	// Neither a listed name nor a listed range allows these addresses. Otherwise a
	// range such as 169.254.0.0/16 would include a cloud's metadata service.
	if why := never(to.Addr()); why != "" {
		return &refusedError{host, is + why, neverHint}
	}
	if a.addr(to.Addr(), to.Port()) || a.name(host, to.Port()) {
		return nil
	}
	if why := forbidden(to.Addr()); why != "" {
		return &refusedError{host, is + why, allowHint}
	}
	if why := badPort(to.Port()); why != "" {
		return &refusedError{host, why, allowHint}
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

// never returns the reason why ip is refused even if it or its name is listed, or
// "" if there is none.
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
// compatible, translated (NAT64, SIIT), tunnelled (6to4, Teredo) or ISATAP. Some of
// these ranges are refused as a whole, but an operator may list them.
func embedded(ip netip.Addr) (netip.Addr, bool) {
	if !ip.Is6() {
		return netip.Addr{}, false
	}
	b := ip.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case ip.Is4In6(), nat64.Contains(ip), localNAT64.Contains(ip), translated.Contains(ip):
		return last, true
	case compatible.Contains(ip) && b[12] != 0: // excludes :: and ::1
		return last, true
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(ip):
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	case (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return last, true
	}
	return netip.Addr{}, false
}

var (
	nat64      = ssrf.IPv6NAT64Prefix
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215; with a prefix of 96 bits
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 7915
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")
	compatible = netip.MustParsePrefix("::/96")
)
