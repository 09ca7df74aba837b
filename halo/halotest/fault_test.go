package halotest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	whole := `{"record_count":1,"clients":[{}]}`
	for _, tt := range []struct {
		name  string
		fault Fault
		want  reply
	}{
		{"status with JSON", Status(502, `{"a":1}`), reply{status: 502, body: `{"a":1}`, header: http.Header{"Content-Type": {jsonType}}}},
		{"status with HTML", Status(503, "<p>"), reply{status: 503, body: "<p>", header: http.Header{"Content-Type": {htmlType}}}},
		{"status with text", Status(400, "no"), reply{status: 400, body: "no", header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}},
		{"status without a body", Status(500, ""), reply{status: 500, header: http.Header{"Content-Type": nil}}},
		{
			"status with headers", Status(302, "", "Location", "/x", "Retry-After", "7", "alone"),
			reply{status: 302, header: http.Header{"Location": {"/x"}, "Retry-After": {"7"}}},
		},
		{"throttle", Throttle(0), reply{status: 429, body: "*", header: http.Header{"Retry-After": nil}}},
		{"throttle with a wait", Throttle(1500 * time.Millisecond), reply{status: 429, body: "*", header: http.Header{"Retry-After": {"2"}}}},
		{"HTML", HTML200(), reply{status: 200, body: "*", header: http.Header{"Content-Type": {htmlType}}}},
		{"truncated", Truncate(10), reply{status: 200, body: whole[:10], err: io.ErrUnexpectedEOF}},
		{"truncated before the body", Truncate(0), reply{status: 200, body: "", err: io.ErrUnexpectedEOF}},
		{"truncated after the end", Truncate(1000), reply{status: 200, body: whole}},
		{"cut", Cut(10), reply{status: 200, body: whole[:10]}},
		{"slow", Slow(5, time.Millisecond), reply{status: 200, body: whole}},
		{"delay", Delay(time.Millisecond), reply{status: 200, body: whole}},
		{"hang", Hang(time.Millisecond), reply{err: io.EOF}},
		{"empty", EmptyList(), reply{status: 200, body: `{"record_count":0,"clients":[]}`}},
		{"expire", Expire(), reply{status: 401}},
		{"wrong JSON", WrongJSON(), reply{status: 200, body: `{"load_error":"Invalid object name 'area'."}`}},
		{"later", Status(500, "").After(time.Millisecond), reply{status: 500}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t)
			r.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			r.http.Transport.(*http.Transport).DisableKeepAlives = true // otherwise the transport repeats a request that got no answer
			r.tenant.Add(Client{ID: 1, Raw: "{}"})
			r.Fault(Rule{Route: RouteList}, tt.fault)

			got := r.get("/api/Client")
			if got.status != tt.want.status || tt.want.body != "*" && got.body != tt.want.body || !errors.Is(got.err, tt.want.err) {
				t.Errorf("got %+v", got)
			}
			for k, v := range tt.want.header {
				if d := cmp.Diff(v, got.header[k]); d != "" {
					t.Errorf("%s: %s", k, d)
				}
			}
			l := r.Log()
			if l.Faults[tt.fault.kind] != 1 || l.Statuses[tt.want.status] != 1 {
				t.Errorf("log: %+v", l)
			}
			if tt.fault.kind == KindExpire {
				return
			}
			if got := r.get("/api/Client"); got.body != whole {
				t.Errorf("after the fault: %+v", got)
			}
		})
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.Fault(Rule{Route: RouteToken}, Reset())
	rep := r.form("/auth/token", "grant_type", "client_credentials") // the transport does not repeat a POST
	if !errors.Is(rep.err, syscall.ECONNRESET) {
		t.Errorf("got %+v", rep)
	}
	if l := r.Log(); l.Statuses[0] != 1 || l.Faults[KindReset] != 1 {
		t.Errorf("log: %+v", l)
	}
}

// Hang waits until the given time has passed or the client gives up.
func TestHangEndsWithTheClient(t *testing.T) {
	t.Parallel()
	for _, f := range []Fault{Hang(0), Delay(time.Hour), Slow(1, time.Hour), Status(500, "").After(time.Hour)} {
		r := newFixture(t)
		r.Fault(Rule{}, f)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		rep := r.send(ctx, http.MethodGet, "/api/Client", "", "Authorization", "Bearer "+r.token)
		cancel()
		if !errors.Is(rep.err, context.DeadlineExceeded) {
			t.Errorf("%s: %+v", f.kind, rep)
		}
		r.Close() // returns only when the request has ended
	}
}

func TestLatencyAndSlowTakeTheirTime(t *testing.T) {
	t.Parallel()
	r := newFixture(t, WithProfile(Profile{Latency: 20 * time.Millisecond}))
	r.tenant.Add(Client{ID: 1, Raw: "{}"})
	start := time.Now()
	r.list("")
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("latency: took %v", took)
	}
	r.Fault(Rule{}, Slow(11, 10*time.Millisecond)) // the body has 33 bytes
	start = time.Now()
	r.list("")
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("slow: took %v", took)
	}
}

// Faults that answer in place of Halo skip the checks of the token and the
// limit. Other faults do not.
func TestFaultsAndTheLimit(t *testing.T) {
	t.Parallel()
	r := newFixture(t, WithProfile(Profile{RateLimit: 1}))
	r.Fault(Rule{Times: 2}, Status(502, ""))
	r.Fault(Rule{Times: Forever}, EmptyList())
	for i, want := range []int{502, 502, 200, 429} {
		if rep := r.get("/api/Client"); rep.status != want {
			t.Errorf("request %d: status %d, want %d", i+1, rep.status, want)
		}
	}
	if rep := r.do(http.MethodGet, "/api/Client", ""); rep.status != 429 {
		t.Errorf("without a token: %+v", rep)
	}
}

// struck sends requests and returns one character for each: x for a request
// with a fault, . for any other.
func (r *fixture) struck(paths ...string) string {
	var b strings.Builder
	for _, p := range paths {
		if r.get(p).status == 418 {
			b.WriteByte('x')
		} else {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func pages(format string) []string {
	var paths []string
	for _, c := range format {
		paths = append(paths, "/api/Client?pageinate=true&page_no="+string(c))
	}
	return paths
}

func TestRules(t *testing.T) {
	t.Parallel()
	teapot := Status(418, "")
	mixed := []string{"/api/Client", "/api/Client/1", "/api/authinfo", "/api/Client/2", "/api/Client", "/api/Client/1"}
	for _, tt := range []struct {
		name  string
		rule  Rule
		paths []string
		want  string
	}{
		{"the next", Rule{}, mixed, "x....."},
		{"all", Rule{Times: Forever}, mixed, "xxxxxx"},
		{"nth overall", Rule{Nth: 3}, mixed, "..x..."},
		{"some from the nth", Rule{Nth: 2, Times: 3}, mixed, ".xxx.."},
		{"all from the nth", Rule{Nth: 4, Times: Forever}, mixed, "...xxx"},
		{"route", Rule{Route: RouteDetail, Times: Forever}, mixed, ".x.x.x"},
		{"nth of a route", Rule{Route: RouteList, Nth: 2}, mixed, "....x."},
		{"client", Rule{ClientID: 1, Times: Forever}, mixed, ".x...x"},
		{"other route", Rule{Route: RouteToken, Times: Forever}, mixed, "......"},
		{"page", Rule{Page: 2, Times: Forever}, pages("123212"), ".x.x.x"},
		{"nth of a page", Rule{Page: 2, Nth: 2}, pages("123212"), "...x.."},
		{"page of an unpaged list", Rule{Page: 1, Times: Forever}, mixed, "......"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t)
			r.Fault(tt.rule, teapot)
			if got := r.struck(tt.paths...); got != tt.want {
				t.Errorf("struck %s, want %s", got, tt.want)
			}
		})
	}

	t.Run("tenant", func(t *testing.T) {
		t.Parallel()
		r := newFixture(t)
		r.Fault(Rule{Tenant: r.Tenant("acme"), Times: Forever}, teapot)
		r.Tenant("acme").App("app", "secret")
		if got := r.struck("/api/Client"); got != "." {
			t.Errorf("a request to another tenant: %s", got)
		}
		rep := r.form("/auth/token?tenant=acme", "grant_type", "client_credentials")
		if rep.status != 418 {
			t.Errorf("the tenant's token call: %+v", rep)
		}
	})
	t.Run("several", func(t *testing.T) {
		t.Parallel()
		r := newFixture(t)
		r.Fault(Rule{Nth: 2}, Status(500, ""), Status(502, ""), Status(503, ""))
		r.Fault(Rule{Nth: 4, Times: 2}, teapot) // on request 4, the previous rule applies
		r.Fault(Rule{})                         // a rule without faults has no effect
		var got []int
		for range 6 {
			got = append(got, r.get("/api/Client").status)
		}
		if d := cmp.Diff([]int{200, 500, 502, 503, 418, 200}, got); d != "" {
			t.Error(d)
		}
		r.Fault(Rule{Times: Forever}, teapot)
		r.ClearFaults()
		if got := r.struck("/api/Client"); got != "." {
			t.Error("cleared rules strike")
		}
	})
}

func TestChance(t *testing.T) {
	t.Parallel()
	run := func(rule Rule) string {
		r := newFixture(t, WithProfile(Profile{RateLimit: Off}))
		r.Fault(rule, Status(418, ""))
		return r.struck(pages(strings.Repeat("1", 300))...)
	}
	rule := Rule{Chance: 0.5, Seed: 7}
	first := run(rule)
	if n := strings.Count(first, "x"); n < 110 || n > 190 {
		t.Errorf("%d of 300 requests failed with chance 0.5", n)
	}
	if second := run(rule); second != first {
		t.Errorf("same seed, different strikes:\n%s\n%s", first, second)
	}
	rule.Seed = 8
	if other := run(rule); other == first {
		t.Error("different seeds, same strikes")
	}
	rule.Seed, rule.MaxRun = 7, 2
	bounded := run(rule)
	if !strings.Contains(first, "xxx") || strings.Contains(bounded, "xxx") || !strings.Contains(bounded, "xx") {
		t.Errorf("more than two in a row:\n%s\n%s", first, bounded)
	}
	if got := run(Rule{Chance: 1, Nth: 3, Times: 4}); !strings.HasPrefix(got, "..xxxx..") {
		t.Errorf("a chance for four requests: %s", got)
	}
}

// The bound on consecutive faults applies to each page separately.
func TestChanceRunsArePerTarget(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.Fault(Rule{Chance: 1, MaxRun: 1}, Status(418, ""))
	if got := r.struck(pages("1212")...); got != "xx.." {
		t.Errorf("struck %s, want xx..", got)
	}
}

func TestChanceMixesKinds(t *testing.T) {
	t.Parallel()
	r := newFixture(t, WithProfile(Profile{RateLimit: Off}))
	r.Fault(Rule{Chance: 0.6, Seed: 1}, Status(500, ""), Throttle(0), EmptyList(), WrongJSON())
	r.struck(pages(strings.Repeat("1", 100))...)
	faults := r.Log().Faults
	for _, k := range []Kind{KindStatus, KindThrottle, KindEmptyList, KindWrongJSON} {
		if faults[k] < 5 {
			t.Errorf("kind %s occurred %d times in 100", k, faults[k])
		}
	}
}
