package halotest

import (
	"strings"
	"time"
)

// Off switches a number of a [Profile] off, because zero means its default.
const Off = -1

// Profile is the set of switches. Its zero value is the hosted Halo of 2026; see
// the package comment. A number that is zero has the stated default.
type Profile struct {
	// Paging.

	PageCap     int         // maximum rows of a page, whatever page_size says; default 100, or [Off] (HaloAPI #90)
	CountCapped bool        // PageCap also bounds count=N of an unpaged list; unknown for the real Halo
	PastEnd     PastEnd     // the page after the last one
	EchoSize    EchoSize    // page_size in the envelope
	RecordCount RecordCount // form of record_count in the envelope
	BareArray   bool        // rows without an envelope, as some sibling endpoints send them
	DefaultSort Sort        // order of a list without order=…
	IgnoreOrder bool        // order=… has no effect; DefaultSort applies

	// Rows.

	IDs             IDForm // form of id and toplevel_id
	FilterByUpdate  bool   // lastupdatefromdate filters; otherwise it is ignored
	LogoEvery       int    // clients whose id is a multiple carry an inline logo; default none
	LogoBytes       int    // length of such a logo; default 65,536
	HiddenForbidden bool   // the detail of a client hidden from the agent is 403; otherwise 404, as if it did not exist

	// Tokens.

	TokenLifetime    time.Duration // announced as expires_in; default one hour
	TokenDies        time.Duration // actual lifetime of a token; default TokenLifetime
	TokenUses        int           // maximum API requests with a token; default no bound
	NewTokenKillsOld bool          // a new token ends the application's others
	WrongTenant      WrongTenant   // answer of the token call to an unknown tenant

	// The limit.

	RateLimit          int           // API requests in any RateWindow; default 700, or [Off]
	RateWindow         time.Duration // rolling; default five minutes
	RateCountsToken    bool          // requests to /auth count, too, and may be refused
	RateCountsRejected bool          // refused requests count, too
	RatePerApp         bool          // each application has its own window; otherwise each tenant
	RetryAfter         RetryAfter    // header of a 429
	ThrottleBody       ThrottleBody  // body of a 429

	// Latency of every answer, on the wall clock.
	Latency time.Duration
}

// PastEnd is the content of a page after the last one. An empty list is always
// empty.
type PastEnd int

// The last page again (topleft-team/django-psa-connector 1176c4c), nothing, or
// the first page again.
const (
	PastEndRepeatsLast PastEnd = iota
	PastEndEmpty
	PastEndRepeatsFirst
)

// EchoSize is the value of page_size in the envelope.
type EchoSize int

// The requested number, the number after the cap, or no key at all.
const (
	EchoRequested EchoSize = iota
	EchoEffective
	EchoMissing
)

// RecordCount is the form of record_count.
type RecordCount int

// A number, a number in quotes, or no key at all.
const (
	CountNumber RecordCount = iota
	CountString
	CountMissing
)

// Sort is an order of clients.
type Sort int

// By name without regard to case, or by id.
const (
	SortByName Sort = iota
	SortByID
)

// IDForm is the form of an id on the wire.
type IDForm int

// 12, 12.0 or "12".
const (
	IDInt IDForm = iota
	IDFloat
	IDString
)

// WrongTenant is the answer of the token call for an unknown tenant.
type WrongTenant int

// 500 without a body, or 400 with OAuth's JSON.
const (
	WrongTenantEmpty500 WrongTenant = iota
	WrongTenantJSON400
)

// RetryAfter is the form of the header Retry-After of a 429.
type RetryAfter int

// No header, whole seconds, or an HTTP date.
const (
	RetryAfterNone RetryAfter = iota
	RetryAfterSeconds
	RetryAfterDate
)

// ThrottleBody is the form of the body of a 429.
type ThrottleBody int

// {"Message":…}, {"error":…}, a JSON string, plain text or a page of HTML.
const (
	ThrottleMessage ThrottleBody = iota
	ThrottleError
	ThrottleString
	ThrottleText
	ThrottleHTML
)

// settings is a profile with its defaults, and values derived from it.
type settings struct {
	Profile
	logo string
}

// complete returns p with its defaults.
func complete(p Profile) *settings {
	orInt(&p.PageCap, 100)
	orInt(&p.LogoBytes, 64<<10)
	orInt(&p.RateLimit, 700)
	orDuration(&p.RateWindow, 5*time.Minute)
	orDuration(&p.TokenLifetime, time.Hour)

	s := &settings{Profile: p}
	if p.LogoEvery > 0 {
		const head, block = "data:image/png;base64,", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
		n := max(p.LogoBytes-len(head), 0)
		s.logo = head + strings.Repeat(block, n/len(block)+1)[:n]
	}
	return s
}

func orInt(v *int, fallback int) {
	if *v == 0 {
		*v = fallback
	}
}

func orDuration(v *time.Duration, fallback time.Duration) {
	if *v == 0 {
		*v = fallback
	}
}
