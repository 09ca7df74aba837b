package limits

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// A structured field (RFC 9651, section 4.2) that is a list of strings with integers as
// parameters, and a member of it with one of the parameters.
var (
	structuredMember = regexp.MustCompile(`^"([\x20-\x21\x23-\x5b\x5d-\x7e]*)"((?:; *[a-z*][a-z0-9_.*-]*=-?\d{1,15})*)(?:[ \t]*,[ \t]*|$)`)
	structuredParam  = regexp.MustCompile(`([a-z*][a-z0-9_.*-]*)=(-?\d+)`)
)

// parseField parses all fields of a name as one structured field. It returns the parameters
// by member.
func parseField(t *testing.T, head http.Header, name string) map[string]map[string]int {
	t.Helper()
	members := map[string]map[string]int{}
	for _, text := range head.Values(name) {
		for text != "" {
			m := structuredMember.FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("%s: not a structured field at %q", name, text)
			}
			members[m[1]] = map[string]int{}
			for _, p := range structuredParam.FindAllStringSubmatch(m[2], -1) {
				members[m[1]][p[1]], _ = strconv.Atoi(p[2]) // at most 15 digits
			}
			text = text[len(m[0]):]
		}
	}
	return members
}

// The headers are structured fields with the parameters that
// draft-ietf-httpapi-ratelimit-headers-10 defines, in its ranges. When a client has used up
// its quota, RateLimit and Retry-After agree on how long to wait.
func TestRateLimitFields(t *testing.T) {
	t.Parallel()
	for name, rates := range map[string][2]int{"usual": {tenantPerMinute, keyPerMinute}, "a request in 20 seconds": {3, 3}} {
		f := newFixture(t, ok, func(c *Config) { c.TenantPerMinute, c.KeyPerMinute = rates[0], rates[1] })
		for refused := false; !refused; {
			w := f.do("bravo", "a", "/api/v1/runs", "")
			refused = w.Code == http.StatusTooManyRequests
			policies, left := parseField(t, w.Header(), "RateLimit-Policy"), parseField(t, w.Header(), "RateLimit")
			if !slices.Equal(slices.Sorted(maps.Keys(policies)), []string{"key", "tenant"}) || !slices.Equal(slices.Sorted(maps.Keys(left)), []string{"key", "tenant"}) {
				t.Fatalf("%s: policies %v, limits %v", name, policies, left)
			}
			for policy, of := range policies {
				now := left[policy]
				if len(of) != 2 || of["q"] <= 0 || of["w"] != 60 { // section 3.1
					t.Errorf("%s: policy %s is %v", name, policy, of)
				}
				if len(now) != 2 || now["r"] < 0 || now["r"] > of["q"] || now["t"] <= 0 || now["t"] > of["w"] { // section 4.1
					t.Errorf("%s: limit %s is %v of %v", name, policy, now, of)
				}
			}
			if after, _ := strconv.Atoi(w.Header().Get("Retry-After")); refused && after < left["key"]["t"] { // section 6
				t.Errorf("%s: Retry-After %d is earlier than %v", name, after, left["key"])
			}
		}
	}
}
