package halo

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ParseResourceServer normalises a pasted address of a resource server to
// https://host/api. It accepts a host, host/path or a URL. The default scheme
// is https. It adds a missing /api and shortens /api/api to /api. Plain http
// needs an explicit http:// and a host in allow. Non-public IP addresses, and
// ports below 1024 other than 443, must also be in allow. [NewTransport] checks
// the addresses that a name resolves to. The error names the fault and does not
// quote the address.
func ParseResourceServer(s string, allow *Allow) (string, error) {
	return parseAddress(s, allow, "api", "auth")
}

// ParseAuthServer is like [ParseResourceServer] for the authorisation server,
// with /auth instead of /api. It also strips a trailing /token.
func ParseAuthServer(s string, allow *Allow) (string, error) {
	return parseAddress(s, allow, "auth", "api")
}

// parseAddress normalises an address whose path must end in want. other is the
// ending that the other server's address has.
func parseAddress(s string, allow *Allow, want, other string) (string, error) {
	u, err := splitAddress(s)
	if err != nil {
		return "", err
	}
	host, port, err := splitHost(u)
	if err != nil {
		return "", err
	}
	if u.Scheme == "http" && !allow.host(host, port) {
		return "", errors.New("plain http is allowed only for hosts in HALOSYNC_ALLOW_HOSTS; use https")
	}
	if err := checkTarget(host, port, allow); err != nil {
		return "", err
	}
	path, err := serverPath(u.EscapedPath(), want, other)
	if err != nil {
		return "", err
	}

	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != defaultPort(u.Scheme) {
		host += ":" + strconv.Itoa(int(port))
	}
	return u.Scheme + "://" + host + path, nil
}

// splitAddress parses an address and rejects parts that do not belong in one.
func splitAddress(s string) (*url.URL, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return nil, errors.New("address is missing")
	case len(s) > 1000:
		return nil, errors.New("address is longer than 1000 bytes")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return nil, errors.New("address contains a space or a control character")
	case strings.Contains(s, `\`):
		return nil, errors.New("address contains a backslash")
	case strings.ContainsAny(s, "?#"):
		return nil, errors.New("address contains a query or a fragment")
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("address is not a URL") // the parser's error would quote the address
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("address is not an https URL")
	case u.User != nil:
		return nil, errors.New("address contains a user name or password")
	}
	return u, nil
}

// splitHost returns the host of a URL in lower case, and its port.
func splitHost(u *url.URL) (string, uint16, error) {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if err := checkHost(host); err != nil {
		return "", 0, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Is4In6() {
			return "", 0, fmt.Errorf("host is an IPv4 address in IPv6 notation: write %s", ip.Unmap())
		}
		host = ip.String() // canonical form
	}
	if u.Port() == "" {
		if strings.HasSuffix(u.Host, ":") {
			return "", 0, errors.New("port is missing after the colon")
		}
		return host, defaultPort(u.Scheme), nil
	}
	port, err := parsePort(u.Port())
	return host, port, err
}

func defaultPort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}

func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 {
		return 0, errors.New("port is not a number from 1 to 65535")
	}
	return uint16(port), nil
}

// checkTarget rejects forbidden IP addresses and ports. It does not resolve
// names.
func checkTarget(host string, port uint16, allow *Allow) error {
	if allow.host(host, port) {
		return nil
	}
	why := badPort(port)
	if ip, err := netip.ParseAddr(host); err == nil {
		if kind := forbidden(ip); kind != "" {
			why = "is " + kind
		}
	}
	if why != "" {
		return fmt.Errorf("host %s; %s", why, allowHint)
	}
	return nil
}

// checkHost accepts IP addresses in their usual form, without a zone, and names
// of letters, digits, hyphens, underscores and dots. It rejects names that a
// program could mistake for an IP address.
func checkHost(host string) error {
	if host == "" {
		return errors.New("host is missing")
	}
	if len(host) > 253 {
		return errors.New("host is longer than 253 bytes")
	}
	if strings.Contains(host, ":") {
		if ip, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return errors.New("host is not an IP address")
		}
		return nil
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("host has an empty part or a part longer than 63 bytes")
		}
	}
	for _, r := range host {
		switch {
		case r > 0x7f:
			return errors.New("host contains letters outside ASCII; use its xn-- form")
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
		default:
			return fmt.Errorf("host contains %q", r)
		}
	}
	return checkNumbers(host)
}

// checkNumbers rejects a name whose last part is a number. Browsers and the C
// library read such a name as an IPv4 address, which has many spellings.
func checkNumbers(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	last := host[strings.LastIndex(host, ".")+1:]
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = hex, "0123456789abcdef"
	}
	if strings.Trim(last, digits) != "" {
		return nil
	}
	if ip, ok := unusualIPv4(host); ok {
		return fmt.Errorf("host is an IP address in an unusual form: write %s", ip)
	}
	return errors.New("host ends in a number; an IP address is four numbers from 0 to 255, without leading zeros")
}

// unusualIPv4 reads an IPv4 address as the C library does: one to four decimal,
// octal or hexadecimal numbers. The last number fills the remaining bytes.
func unusualIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var ip uint64
	for i, part := range parts {
		base := 10
		if hex, ok := strings.CutPrefix(part, "0x"); ok {
			part, base = "0"+hex, 16
		} else if len(part) > 1 && part[0] == '0' {
			base = 8
		}
		rest := 8
		if i == len(parts)-1 {
			rest = 8 * (5 - len(parts))
		}
		n, err := strconv.ParseUint(part, base, rest)
		if err != nil {
			return netip.Addr{}, false
		}
		ip = ip<<rest | n
	}
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}), true
}

// serverPath normalises a path so that it ends in want.
func serverPath(path, want, other string) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "":
			continue
		case part == "." || part == "..":
			return "", errors.New("path contains a relative part")
		case strings.ContainsFunc(part, func(r rune) bool { return !pathRune(r) }):
			return "", errors.New("path contains something other than letters, digits, and -._~")
		}
		parts = append(parts, part)
	}
	ends := func(word string) bool { return len(parts) > 0 && strings.EqualFold(parts[len(parts)-1], word) }
	if want == "auth" && ends("token") {
		parts = parts[:len(parts)-1]
	}
	if ends(other) {
		return "", fmt.Errorf("address ends in /%s, but the address of this server usually ends in /%s", other, want)
	}
	found := want
	for ends(want) {
		found, parts = parts[len(parts)-1], parts[:len(parts)-1]
	}
	return "/" + strings.Join(append(parts, found), "/"), nil
}

func pathRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r)
}

// hostPort splits "host", "host:port", "[ip6]:port" and bare IPv6 addresses.
// Port 0 means that the address has no port.
func hostPort(s string) (string, uint16, error) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return ip.String(), 0, nil
	}
	if !strings.Contains(s, ":") {
		return s, 0, nil
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, errors.New("not a host, host:port or CIDR")
	}
	port, err := parsePort(text)
	return host, port, err
}
