package halotest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kind names a fault in the [Log].
type Kind string

// Each kind has a function that returns a fault of that kind.
const (
	KindStatus    Kind = "status"
	KindThrottle  Kind = "throttle"
	KindHTML200   Kind = "html200"
	KindTruncate  Kind = "truncate"
	KindCut       Kind = "cut"
	KindSlow      Kind = "slow"
	KindHang      Kind = "hang"
	KindReset     Kind = "reset"
	KindEmptyList Kind = "emptylist"
	KindExpire    Kind = "expire"
	KindWrongJSON Kind = "wrongjson"
	KindDelay     Kind = "delay"
	KindHold      Kind = "hold"
)

// Fault makes a request fail in one way. [Status], [Throttle], [HTML200],
// [Hang] and [Reset] answer in place of Halo, as a gateway would: the request
// is logged, but its token and the request limit are not checked. The other
// faults change Halo's own answer.
type Fault struct {
	kind   Kind
	delay  time.Duration
	status int
	header http.Header
	body   string
	wait   time.Duration
	bytes  int
	gate   *Gate
}

// Status answers with a status and a body. The content type depends on the
// first character of the body. header holds further headers, as pairs of key
// and value.
func Status(code int, body string, header ...string) Fault {
	f := Fault{kind: KindStatus, status: code, body: body, header: http.Header{}}
	switch {
	case body == "":
	case body[0] == '<':
		f.header.Set("Content-Type", htmlType)
	case strings.ContainsRune(`{["`, rune(body[0])):
		f.header.Set("Content-Type", jsonType)
	default:
		f.header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	for pair := range slices.Chunk(header, 2) {
		if len(pair) == 2 {
			f.header.Set(pair[0], pair[1])
		}
	}
	return f
}

// Throttle answers 429 with the profile's body. A retryAfter above zero is sent
// in the profile's form, or in seconds if the profile sends no Retry-After.
func Throttle(retryAfter time.Duration) Fault {
	return Fault{kind: KindThrottle, wait: retryAfter}
}

// HTML200 answers with a page of HTML and status 200, as a maintenance page or
// an intermediate proxy does.
func HTML200() Fault {
	return Fault{
		kind: KindHTML200, status: http.StatusOK, header: http.Header{"Content-Type": {htmlType}},
		body: page("Halo is being updated", "Please come back in a few minutes."),
	}
}

// Hang sends nothing until the client gives up or limit has passed, and then
// closes the connection. A limit of 0 means no limit.
func Hang(limit time.Duration) Fault {
	if limit <= 0 {
		limit = -1
	}
	return Fault{kind: KindHang, wait: limit}
}

// Reset resets the connection without an answer.
func Reset() Fault { return Fault{kind: KindReset} }

// Delay delays the request by d.
func Delay(d time.Duration) Fault { return Fault{kind: KindDelay, delay: d} }

// Truncate breaks the connection after the given number of bytes of the body.
func Truncate(bytes int) Fault { return Fault{kind: KindTruncate, bytes: max(bytes, 0)} }

// Cut sends only the given number of bytes of the body, with a Content-Length
// that matches the shortened body.
func Cut(bytes int) Fault { return Fault{kind: KindCut, bytes: max(bytes, 0)} }

// Slow sends the body in pieces of the given size, with a pause before each.
func Slow(bytes int, pause time.Duration) Fault {
	return Fault{kind: KindSlow, bytes: max(bytes, 1), wait: pause}
}

// EmptyList answers a list request with no rows and a record_count of 0, as
// Halo does if the agent has lost its rights. Other routes are not affected.
func EmptyList() Fault { return Fault{kind: KindEmptyList} }

// Expire ends the token of the request, so that Halo answers 401.
func Expire() Fault { return Fault{kind: KindExpire} }

// WrongJSON replaces the body of a 200 with JSON of an unexpected shape: an
// error object with a success status.
func WrongJSON() Fault { return Fault{kind: KindWrongJSON} }

// After delays the fault by d, on the wall clock.
func (f Fault) After(d time.Duration) Fault {
	f.delay += d
	return f
}

// instead returns the answer of a fault that replaces Halo's answer. It returns
// false for other faults.
func (f *Fault) instead(c *call, h *Halo) (answer, bool) {
	switch f.kind {
	case KindStatus, KindHTML200:
		return answer{status: f.status, header: f.header, body: []byte(f.body)}, true
	case KindThrottle:
		a := throttled(c.p, Rate{c.p.RateLimit, c.p.RateWindow}, h.now(), f.wait)
		switch {
		case f.wait <= 0:
			a.header.Del("Retry-After")
		case c.p.RetryAfter == RetryAfterNone:
			a.header.Set("Retry-After", wholeSeconds(f.wait))
		}
		return a, true
	case KindHang:
		return answer{end: endBroken, hang: f.wait}, true
	case KindReset:
		return answer{end: endReset}, true
	case KindExpire:
		h.tokens.revoke(c.token)
	case KindTruncate, KindCut, KindSlow, KindEmptyList, KindWrongJSON, KindDelay, KindHold:
	}
	return answer{}, false
}

// damage changes Halo's answer.
func (f *Fault) damage(a answer) answer {
	switch f.kind {
	case KindTruncate:
		if f.bytes < len(a.body) {
			a.end, a.bytes = endBroken, f.bytes
		}
	case KindCut:
		a.body = a.body[:min(f.bytes, len(a.body))]
		a.list = false
	case KindSlow:
		a.chunk, a.pause = f.bytes, f.wait
	case KindWrongJSON:
		if a.status == http.StatusOK {
			a.json(object("load_error", "Invalid object name 'area'."))
			a.list = false
		}
	case KindStatus, KindThrottle, KindHTML200, KindHang, KindReset, KindEmptyList, KindExpire, KindDelay, KindHold:
	}
	return a
}
