package ratelimit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a maximum number of requests in any window of length Per.
type Rate struct {
	Requests int           // 1 to 100,000
	Per      time.Duration // 1 s to 24 h
}

// ParseRate parses a rate such as "700/5m", "60/1m" or "5/s", as found in the
// environment or in a connection. A unit without a number means one unit.
func ParseRate(s string) (Rate, error) {
	bad := fmt.Errorf("rate %q: want requests/window, for example 700/5m", s)
	count, window, ok := strings.Cut(strings.TrimSpace(s), "/")
	if !ok {
		return Rate{}, bad
	}
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil {
		return Rate{}, bad
	}
	window = strings.TrimSpace(window)
	if window == "s" || window == "m" || window == "h" {
		window = "1" + window
	}
	per, err := time.ParseDuration(window)
	if err != nil {
		return Rate{}, bad
	}
	if n < 1 || n > 100_000 || per < time.Second || per > 24*time.Hour {
		return Rate{}, fmt.Errorf("rate %q: want 1 to 100000 requests in a window of 1s to 24h", s)
	}
	return Rate{Requests: n, Per: per}, nil
}

// slack is the time added to the window, because one request may reach Halo late and
// the next one early.
func (r Rate) slack() time.Duration { return min(max(r.Per/50, 20*time.Millisecond), maxSlack) }

const maxSlack = 250 * time.Millisecond

// Or returns the rate that [ParseRate] reads from limit, or r if limit is empty.
func (r Rate) Or(limit string) (Rate, error) {
	if limit == "" {
		return r, nil
	}
	return ParseRate(limit)
}

// String returns the rate in the format of [ParseRate].
func (r Rate) String() string {
	per := r.Per.String()
	per = strings.TrimSuffix(per, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(per, "m0s")]
	per = strings.TrimSuffix(per, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(per, "h0m")]
	return strconv.Itoa(r.Requests) + "/" + per
}

// UnmarshalText parses the text with [ParseRate].
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}
