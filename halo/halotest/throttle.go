package halotest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// throttled answers 429 in the forms of the profile. Halo's wording is from
// homotechsual/HaloAPI #31.
func throttled(p *settings, now time.Time, wait time.Duration) answer {
	text := fmt.Sprintf("Rate Limit Reached - %d Requests per rolling %s window", p.RateLimit, spanText(p.RateWindow))
	a := answer{status: http.StatusTooManyRequests, header: http.Header{}}
	switch p.ThrottleBody {
	case ThrottleError:
		a.json(object("error", text))
	case ThrottleString:
		a.json(appendString(nil, text))
	case ThrottleText:
		a.text("text/plain; charset=utf-8", text)
	case ThrottleHTML:
		a.text(htmlType, page("429 Too Many Requests", text))
	default:
		a.json(object("Message", text))
	}
	switch p.RetryAfter {
	case RetryAfterSeconds:
		a.header.Set("Retry-After", wholeSeconds(wait))
	case RetryAfterDate:
		// Dates have whole seconds: the next one, so that it is not too early.
		at := now.Add(wait + time.Second - time.Nanosecond).Truncate(time.Second)
		a.header.Set("Retry-After", at.UTC().Format(http.TimeFormat))
	case RetryAfterNone:
	}
	return a
}

// wholeSeconds rounds up, so that whoever waits that long is not too early.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

func spanText(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " minute"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " second"
}
