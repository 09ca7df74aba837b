package halo

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ParseResourceServer normalises a pasted address of a resource server to
// https://host/api. It accepts a host, host/path or a URL. The default scheme
// is https. It adds a missing /api and shortens /api/api to /api. Plain http
// needs an explicit http:// and a host in allow. Non-public IP addresses, and ports below
// 1024 other than 443, must be listed in allow, too. [NewTransport] checks the addresses
// that a name resolves to. The error names the fault and does not quote the address.
func ParseResourceServer(s string, allow *Allow) (string, error) {
	origin, parts, err := parseAddress(s, allow)
	if err != nil {
		return "", err
	}
	for _, other := range []string{"auth", tokenPath} {
		if endsIn(parts, other) {
			return "", fmt.Errorf("address ends in /%s, but the address of this server usually ends in /api", other)
		}
	}
	base, word := cutWord(parts, "api")
	return address(origin, base, word), nil
}

// ParseAuthServer is like [ParseResourceServer] for the authorisation server, with
// /auth instead of /api. An address that ends in /token is the address of the token
// endpoint and stays as it is, except that …/auth/token becomes …/auth, which means
// the same.
func ParseAuthServer(s string, allow *Allow) (string, error) {
	all, err := AuthServers(s, allow)
	if err != nil {
		return "", err
	}
	return all[0], nil
}

// AuthServers returns the possible addresses of the authorisation server, most likely
// first, for an address that a user typed. All are on the same host and in the form of
// [ParseAuthServer], which returns the first of them. Self-hosted authorisation servers can
// be at the root of their host (homotechsual/HaloAPI #1).
func AuthServers(s string, allow *Allow) ([]string, error) {
	origin, parts, err := parseAddress(s, allow)
	if err != nil {
		return nil, err
	}
	if endsIn(parts, tokenPath) {
		short := parts[:len(parts)-1]
		if base, word := cutWord(short, "auth"); parts[len(short)] == tokenPath && endsIn(short, "auth") && len(base)+1 == len(short) {
			return []string{address(origin, base, word)}, nil
		}
		return []string{address(origin, parts[:len(short)], parts[len(short)])}, nil
	}
	if endsIn(parts, "api") {
		return nil, errors.New("address ends in /api, but the address of this server usually ends in /auth")
	}
	base, word := cutWord(parts, "auth")
	all := []string{address(origin, base, word)}
	for _, other := range []string{address(origin, base, tokenPath), address(origin, nil, tokenPath), address(origin, nil, "auth")} {
		if !slices.Contains(all, other) {
			all = append(all, other)
		}
	}
	return all, nil
}

// TokenURL returns the token endpoint of an authorisation server. The argument authServer
// has the form that [ParseAuthServer] returns.
func TokenURL(authServer string) string {
	if u, err := url.Parse(authServer); err == nil && strings.EqualFold(path.Base(u.Path), tokenPath) {
		return authServer
	}
	return authServer + "/" + tokenPath
}

// tokenPath is the last part of the token endpoint's path.
const tokenPath = "token"

// parseAddress splits an address into scheme and host, in their normal form, and the
// parts of its path.
func parseAddress(s string, allow *Allow) (origin string, parts []string, err error) {
	u, err := splitAddress(s)
	if err != nil {
		return "", nil, err
	}
	host, port, err := splitHost(u)
	if err != nil {
		return "", nil, err
	}
	if u.Scheme == "http" && !allow.host(host, port) {
		return "", nil, errors.New("plain http is allowed only for hosts in HALOSYNC_ALLOW_HOSTS; use https")
	}
	if err := checkTarget(host, port, allow); err != nil {
		return "", nil, err
	}
	if parts, err = splitPath(u.EscapedPath()); err != nil {
		return "", nil, err
	}

	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != defaultPort(u.Scheme) {
		host += ":" + strconv.Itoa(int(port))
	}
	return u.Scheme + "://" + host, parts, nil
}

// address builds an address whose path is base followed by word.
func address(origin string, base []string, word string) string {
	return origin + "/" + strings.Join(append(slices.Clone(base), word), "/")
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
// names. The error does not quote the host.
func checkTarget(host string, port uint16, allow *Allow) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		err := allow.check(host, netip.AddrPortFrom(ip, port))
		if refused, ok := errors.AsType[*refusedError](err); ok {
			return fmt.Errorf("host %s; %s", refused.why, refused.hint)
		}
		return err
	}
	if why := badPort(port); why != "" && !allow.name(host, port) {
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

// splitPath splits a path into its parts, omitting empty ones.
func splitPath(escaped string) (parts []string, err error) {
	for part := range strings.SplitSeq(escaped, "/") {
		switch {
		case part == "":
			continue
		case part == "." || part == "..":
			return nil, errors.New("path contains a relative part")
		case strings.ContainsFunc(part, func(r rune) bool { return !pathRune(r) }):
			return nil, errors.New("path contains something other than letters, digits, and -._~")
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// endsIn reports whether the last part of a path is word, regardless of case.
func endsIn(parts []string, word string) bool {
	return len(parts) > 0 && strings.EqualFold(parts[len(parts)-1], word)
}

// cutWord removes word and its repetitions from the end of a path. It returns the rest, and
// the spelling of the word in the path.
func cutWord(parts []string, word string) (base []string, spelled string) {
	spelled = word
	for endsIn(parts, word) {
		spelled, parts = parts[len(parts)-1], parts[:len(parts)-1]
	}
	return parts, spelled
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
