package halo

import (
	"errors"
	"fmt"
	"strings"
)

const (
	maxHeaderName = 100
	// maxHeaderValue leaves room for a token: proxies accept some 8 KB of headers.
	maxHeaderValue = 4000
)

// ownedHeaders lists the headers that this package or net/http sets, and those that would
// change the meaning of a request or of its answer. Headers whose names begin with one of
// ownedPrefixes are owned as well.
var (
	ownedHeaders = []string{
		"Host", "Authorization", "User-Agent", "Accept", "Accept-Encoding",
		"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Expect", // hop by hop
		"Range", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL",
	}
	ownedPrefixes = []string{"Content-", "Proxy-", "If-"}
)

// CheckHeader reports whether a header can be sent with each request; see
// [Config.HeaderName]. The error never quotes the value.
func CheckHeader(name, value string) error {
	if err := checkHeaderName(name); err != nil {
		return fmt.Errorf("the header's name %w", err)
	}
	if err := checkHeaderValue(value); err != nil {
		return fmt.Errorf("the header's value %w", err)
	}
	return nil
}

func checkHeaderName(name string) error {
	switch {
	case name == "":
		return errors.New("is missing")
	case strings.Contains(name, ":"):
		return errors.New("contains a colon: enter the name and the value separately")
	case len(name) > maxHeaderName:
		return fmt.Errorf("is longer than %d bytes", maxHeaderName)
	case strings.ContainsFunc(name, func(r rune) bool { return !headerRune(r) }):
		return errors.New("contains something other than letters, digits, and !#$%&'*+-.^_`|~")
	}
	for _, owned := range ownedHeaders {
		if strings.EqualFold(name, owned) {
			return fmt.Errorf("is %s, which halosync sets itself or which would change the request; use another name", owned)
		}
	}
	for _, prefix := range ownedPrefixes {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return fmt.Errorf("begins with %s, which would change the request; use another name", prefix)
		}
	}
	return nil
}

// headerRune reports whether r may occur in the name of a header (RFC 9110, token).
func headerRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r > 0 && r < 0x80 && strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func checkHeaderValue(value string) error {
	switch {
	case value == "":
		return errors.New("is missing")
	case len(value) > maxHeaderValue:
		return fmt.Errorf("is longer than %d bytes", maxHeaderValue)
	case strings.ContainsAny(value, "\r\n"):
		return errors.New("contains a line break")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("contains a control character or a character outside ASCII")
	case strings.Trim(value, " ") != value:
		return errors.New("begins or ends with a space")
	}
	return nil
}
