package halotest

import (
	"strings"
	"time"
)

// Off disables a numeric setting of a [Profile], for which 0 means the default.
const Off = -1

// Profile is a set of switches. Its zero value simulates the hosted Halo of
// 2026; see the package comment. A zero number means the stated default.
type Profile struct {
	// Paging.

	PageCap     int         // maximum rows per page, regardless of page_size; default 100, or [Off] (HaloAPI #90)
	CountCapped bool        // PageCap also bounds count=N in an unpaged list; unknown for the real Halo
	StrictCount bool        // count=true is an invalid number; otherwise it is ignored, because wyre-technology/node-halopsa sends it
	PastEnd     PastEnd     // the page after the last one
	EchoSize    EchoSize    // page_size in the envelope
	RecordCount RecordCount // form of record_count in the envelope
	BareArray   bool        // rows without an envelope, as some sibling endpoints send them
	DefaultSort Sort        // order of a list without order=…
	IgnoreOrder bool        // order=… has no effect; DefaultSort applies

	// Rows.

	IDs             IDForm // form of id and toplevel_id
	FilterByUpdate  bool   // lastupdatefromdate filters; otherwise it is ignored
	LogoEvery       int    // a client has an inline logo if its id is a multiple of this; 0: no logos
	LogoBytes       int    // length of the logo; default 65,536
	HiddenForbidden bool   // reading a client that the agent may not read gives 403; otherwise 404, as if it did not exist
	DeletedStatus   int    // status returned when a deleted client is read; default 404. With 200, deleted clients stay readable but are not listed

	// Tokens.

	EditWithoutRead  bool          // the scope edit:x does not cover reading x; shown for tickets and assets only
	BareToken        bool          // a token answer has neither id_token nor refresh_token
	ExpiresIn        ExpiresIn     // form of expires_in
	TokenLifetime    time.Duration // the lifetime announced as expires_in; default one hour
	TokenDies        time.Duration // actual lifetime of a token; default TokenLifetime
	TokenUses        int           // maximum API requests per token; default unlimited
	NewTokenKillsOld bool          // a new token ends the application's older tokens
	WrongTenant      WrongTenant   // answer to a token call for an unknown tenant

	// The limit.

	RateLimit          int           // API requests per RateWindow; default 700, or [Off]
	RateWindow         time.Duration // a rolling window; default five minutes
	RateAlso           []Rate        // limits that also apply; default 500 in three minutes if RateLimit is not set
	RateCountsToken    bool          // requests to /auth also count and may be refused
	RateCountsRejected bool          // refused requests also count towards the limit
	RatePerApp         bool          // each application has its own window; otherwise each tenant has one
	RetryAfter         RetryAfter    // header of a 429
	ThrottleBody       ThrottleBody  // body of a 429

	// Latency delays every answer, on the wall clock.
	Latency time.Duration
}

// PastEnd is the content of a page after the last one. If the list is empty, so
// is the page.
type PastEnd int

// The page repeats the last page (topleft-team/django-psa-connector 1176c4c),
// is empty, or repeats the first page.
const (
	PastEndRepeatsLast PastEnd = iota
	PastEndEmpty
	PastEndRepeatsFirst
)

// EchoSize is the value of page_size in the envelope.
type EchoSize int

// The value is the requested number, the number after the cap, or absent.
const (
	EchoRequested EchoSize = iota
	EchoEffective
	EchoMissing
)

// RecordCount is the form of record_count.
type RecordCount int

// The value is a number, a number in quotes, or absent.
const (
	CountNumber RecordCount = iota
	CountString
	CountMissing
	CountPage      // the rows of the page
	CountFirstPage // on page 1, the rows of the page; the total on other pages
	CountTooSmall  // two thirds of the total
	CountTooLarge  // one more than the total
)

// ExpiresIn is the form of expires_in in a token answer.
type ExpiresIn int

// The value is 3600, 3600.0, "3600", "", absent, or −1 with a token that is
// nevertheless valid for its whole lifetime.
const (
	ExpiresInt ExpiresIn = iota
	ExpiresDouble
	ExpiresText
	ExpiresEmpty
	ExpiresMissing
	ExpiresNegative
)

// Rate is a limit on the API requests in a rolling window.
type Rate struct {
	Limit  int
	Window time.Duration
}

// Sort is the order of the clients in a list.
type Sort int

// Clients are sorted by name, regardless of case, or by id.
const (
	SortByName Sort = iota
	SortByID
)

// IDForm is the form of an id in JSON.
type IDForm int

// The id 12 is written as 12, 12.0 or "12".
const (
	IDInt IDForm = iota
	IDFloat
	IDString
)

// WrongTenant is the answer to a token call for an unknown tenant.
type WrongTenant int

// The answer is 500 without a body, or 400 with OAuth's JSON.
const (
	WrongTenantEmpty500 WrongTenant = iota
	WrongTenantJSON400
)

// RetryAfter is the form of the Retry-After header in a 429.
type RetryAfter int

// The header is absent, or holds whole seconds or an HTTP date.
const (
	RetryAfterNone RetryAfter = iota
	RetryAfterSeconds
	RetryAfterDate
)

// ThrottleBody is the form of the body of a 429.
type ThrottleBody int

// The body is {"Message":…}, {"error":…}, a JSON string, plain text or a page
// of HTML.
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
	rates []Rate // all that apply
	logo  string
}

// complete returns p with its defaults.
func complete(p Profile) *settings {
	orInt(&p.PageCap, 100)
	orInt(&p.LogoBytes, 64<<10)
	orInt(&p.DeletedStatus, 404)
	if p.RateLimit == 0 && p.RateAlso == nil {
		p.RateAlso = []Rate{{500, 3 * time.Minute}}
	}
	orInt(&p.RateLimit, 700)
	orDuration(&p.RateWindow, 5*time.Minute)
	orDuration(&p.TokenLifetime, time.Hour)

	s := &settings{Profile: p}
	if p.RateLimit > 0 {
		s.rates = append([]Rate{{p.RateLimit, p.RateWindow}}, p.RateAlso...)
	}
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
