package halo

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// unknownLife is the assumed lifetime of a token whose answer states no readable
	// lifetime. Halo's tokens are valid for an hour (topleft-team/django-psa). If a
	// token expires earlier, the API answers 401, and the token is replaced.
	unknownLife = 50 * time.Minute
	// minLife and maxLife bound the lifetime, regardless of what the answer states. A
	// token that expires within seconds would otherwise be replaced for each request.
	minLife, maxLife = time.Minute, 24 * time.Hour
	// renewEarly is how long before expiry a token is renewed. A short-lived
	// token is renewed after nine tenths of its lifetime instead.
	renewEarly = time.Minute
	// maxToken bounds the length of a token in bytes. The token goes into a header, and
	// proxies accept some 8 KB of headers.
	maxToken = 16 << 10
)

// tokenAnswer is the answer to a token call.
type tokenAnswer struct {
	token string        // empty: none
	life  time.Duration // 0: unknown
	fault string        // OAuth's error code; empty: none
}

// decodeToken reads the answer to a token call as leniently as a row: a field of an
// unexpected type counts as absent, and if a key occurs twice, the last readable value
// counts. The token's type is not read, because Halo issues only bearer tokens.
func decodeToken(body []byte) (ans tokenAnswer, err error) {
	body = withoutBOM(body)
	r := newReader(body)
	err = r.document(body, func() error { return errShape }, func() error {
		return r.members(func(key []byte) error {
			v, err := r.value()
			switch {
			case err != nil:
				return err
			case named(key, "access_token"):
				orText(&ans.token, v)
			case named(key, "error"):
				orText(&ans.fault, v)
			case named(key, "expires_in"):
				if life := lifeOf(v); life > 0 {
					ans.life = life
				}
			}
			return nil
		})
	})
	return ans, err
}

// orText replaces text with the value of the JSON string raw, without the surrounding
// spaces. It does nothing if raw is not a string or its value is blank.
func orText(text *string, raw []byte) {
	if len(raw) == 0 || raw[0] != '"' {
		return
	}
	value, _ := jsontext.AppendUnquote(nil, raw) // invalid UTF-8 becomes U+FFFD, which no header may contain
	if value = bytes.TrimSpace(value); len(value) > 0 {
		*text = string(value)
	}
}

// lifeOf reads a lifetime in seconds, written as 3600, 3600.0, 3.6e3 or "3600". It
// returns 0 for anything else, and for a lifetime that is not positive.
func lifeOf(raw []byte) time.Duration {
	if len(raw) > 0 && raw[0] == '"' {
		raw, _ = jsontext.AppendUnquote(nil, raw) // an invalid string is not a number
	}
	if len(raw) > maxNumber {
		return 0
	}
	seconds, _ := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64) // 0 if it is not a number, ±Inf if it is too large
	if !(seconds > 0) {                                                  // also false for NaN
		return 0
	}
	return max(minLife, time.Duration(min(seconds, maxLife.Seconds())*float64(time.Second)))
}

// keep returns how long to use the token.
func (ans tokenAnswer) keep() time.Duration {
	life := ans.life
	if life == 0 {
		life = unknownLife
	}
	return max(life-renewEarly, life*9/10)
}

// sendable reports whether a token can be sent in a header unchanged, because it is
// visible ASCII without spaces. net/http rejects line breaks, but only after the
// request has been counted, and its error quotes the token.
func sendable(token string) bool {
	return len(token) <= maxToken && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
