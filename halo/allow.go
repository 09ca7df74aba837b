package halo

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Allow is a list of hosts that may be called even if they are private or link-local, or
// use plain http. Examples are a self-hosted Halo and a test server. A nil Allow lists
// nothing. An Allow is immutable.
type Allow struct {
	names    []allowedName
	prefixes []allowedPrefix
}

// allowedName is a host name. Every address that it resolves to is allowed.
type allowedName struct {
	host string
	port uint16 // 0: any port
}

// allowedPrefix is a range of addresses that are allowed under any name.
type allowedPrefix struct {
	prefix netip.Prefix
	port   uint16 // 0: any port
}

// ParseAllow reads a list of hosts: "halo.example.local", "localhost", "127.0.0.1",
// "10.0.0.0/8", "::1". A listed name may resolve to any address, and an IP address or a
// CIDR range is allowed under any name. Metadata services, multicast and 0.0.0.0 are
// never allowed. A listed name or range does not include them, and listing one of them
// by itself is a fault. A name or an address with a port ("127.0.0.1:8085",
// "[::1]:8085") allows that port only. Blank entries are skipped; the error lists all
// faults.
func ParseAllow(list []string) (*Allow, error) {
	a := &Allow{}
	var faults []error
	for _, entry := range list {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if entry == "" {
			continue
		}
		if err := a.add(entry); err != nil {
			faults = append(faults, fmt.Errorf("allowed host %q: %w", entry, err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Allow) add(entry string) error {
	if strings.Contains(entry, "/") {
		prefix, err := netip.ParsePrefix(entry)
		if err != nil {
			return errors.New("not a CIDR")
		}
		return a.addPrefix(prefix.Masked(), 0)
	}
	host, port, err := hostPort(entry)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return errors.New("IP address with a zone")
		}
		ip = ip.Unmap()
		return a.addPrefix(netip.PrefixFrom(ip, ip.BitLen()), port)
	}
	host = strings.TrimSuffix(host, ".")
	if err := checkHost(host); err != nil {
		return err
	}
	a.names = append(a.names, allowedName{host, port})
	return nil
}

// addPrefix lists a range. A range that contains only an address that is never allowed
// would have no effect, so addPrefix rejects it.
func (a *Allow) addPrefix(prefix netip.Prefix, port uint16) error {
	if why := never(prefix.Addr()); prefix.IsSingleIP() && why != "" {
		return errors.New("it is " + why + ", which is never called")
	}
	a.prefixes = append(a.prefixes, allowedPrefix{prefix, port})
	return nil
}

// host reports whether a host, as written in an address, is listed.
func (a *Allow) host(host string, port uint16) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return a.addr(ip, port)
	}
	return a.name(host, port)
}

// name reports whether a host is listed by its name.
func (a *Allow) name(host string, port uint16) bool {
	if a == nil {
		return false
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, n := range a.names {
		if n.host == host && (n.port == 0 || n.port == port) {
			return true
		}
	}
	return false
}

// addr reports whether an IP address is listed.
func (a *Allow) addr(ip netip.Addr, port uint16) bool {
	if a == nil {
		return false
	}
	for _, p := range a.prefixes {
		if p.prefix.Contains(ip.Unmap()) && (p.port == 0 || p.port == port) {
			return true
		}
	}
	return false
}
