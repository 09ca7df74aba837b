package halotest

import "time"

// PastEnd is what Halo answers for a page beyond the last one. Public clients
// met both an empty page and the last page again; nobody knows it for /Client.
type PastEnd int

// What is shown past the end.
const (
	PastEndEmpty PastEnd = iota
	PastEndLast
	PastEndFirst
)

// EchoSize is the page_size that an answer claims.
type EchoSize int

// What page_size echoes.
const (
	EchoRequested EchoSize = iota
	EchoEffective
	EchoMissing
)

// IDForm is how ids look on the wire.
type IDForm int

// Forms of ids: 12, 12.0 (as some of Halo's own endpoints write them), "12".
const (
	IDInt IDForm = iota
	IDDouble
	IDString
)

// CountForm is how record_count looks on the wire.
type CountForm int

// Forms of record_count.
const (
	CountInt CountForm = iota
	CountString
	CountMissing
)

// RetryAfter is the header of a 429. No public record shows Halo sending one.
type RetryAfter int

// Forms of Retry-After.
const (
	RetryAfterNone RetryAfter = iota
	RetryAfterSeconds
	RetryAfterDate
)

// ThrottleBody is the body of a 429; its text is known, its form is not.
type ThrottleBody int

// Forms of a 429's body.
const (
	ThrottleMessage ThrottleBody = iota // {"Message": …}
	ThrottleError                       // {"error": …}
	ThrottleString                      // a JSON string
	ThrottleText
	ThrottleHTML
)

// Order is how rows come when the request does not say, or is not heard.
type Order int

// Default orders.
const (
	OrderName Order = iota
	OrderID
)

// Profile is the set of switches. [DefaultProfile] is a current hosted Halo.
type Profile struct {
	PageCap     int // rows a page at most, whatever is asked for; 0: no cap
	PastEnd     PastEnd
	Echo        EchoSize
	IDs         IDForm
	Count       CountForm
	BareArray   bool // the list comes without its envelope
	Default     Order
	IgnoreOrder bool // order=id is not heard
	LastUpdate  bool // lastupdatefromdate filters; else it is ignored
	InlineLogo  int  // bytes of logo in every 50th row; 0: none
	Latency     time.Duration

	TokenLife    time.Duration // expires_in, whole seconds
	RevokeAfter  int           // a token ends early, after that many requests; 0: never
	NeedTenant   bool          // hosted on a shared host: the tenant must be named
	TenantStatus int           // answer to a wrong tenant: 500 (empty) or 400 (JSON)

	RateLimit    int // requests a tenant in any window; 0: no limit
	RateWindow   time.Duration
	CountTokens  bool // token calls count against the limit
	RetryAfter   RetryAfter
	ThrottleBody ThrottleBody
}

// DefaultProfile is a current hosted Halo: pages of 100 rows, tokens of an
// hour, 700 requests in any 5 minutes, 429 without Retry-After.
func DefaultProfile() Profile {
	return Profile{
		PageCap: 100, TokenLife: time.Hour, TenantStatus: 500,
		RateLimit: 700, RateWindow: 5 * time.Minute,
	}
}
