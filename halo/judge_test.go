package halo

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var kinds = []error{
	ErrCredentials, ErrUnauthorized, ErrForbidden, ErrNotFound, ErrInvalid,
	ErrThrottled, ErrUnavailable, ErrNotHalo, ErrTooLarge, ErrRefused,
}

// checkKind checks that err has the kind want and no other kind.
func checkKind(t *testing.T, err, want error) {
	t.Helper()
	for _, kind := range kinds {
		if errors.Is(err, kind) != (kind == want) { //nolint:errorlint // compares the sentinels themselves
			t.Errorf("error %v: is %q = %t, want kind %q", err, kind, errors.Is(err, kind), want)
		}
	}
}

func TestAnswersOfTheAPI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		header []string
		body   string
		kind   error
		tries  int
		text   string // after "read client 5: "
	}{
		{"gone", 404, nil, "", ErrNotFound, 1, "status 404"},
		{"forbidden", 403, nil, "", ErrForbidden, 1, "status 403"},
		{"unauthorised, twice", 401, nil, "", ErrUnauthorized, 2, "status 401 (2 attempts)"},
		{"binding error", 400, nil, `{"id":["not valid"]}`, ErrInvalid, 1, "status 400: id: not valid"},
		{"unsupported", 415, nil, "", ErrInvalid, 1, "status 415"},
		{"request timeout", 408, nil, "", ErrUnavailable, 6, "status 408 (6 attempts)"},
		{"throttled without Retry-After", 429, nil, `"Rate Limit Reached"`, ErrThrottled, 1, "status 429 (retry after 5s): Rate Limit Reached"},
		{"throttled for long", 429, []string{"Retry-After: 60"}, "", ErrThrottled, 1, "status 429 (retry after 1m0s)"},
		{"unavailable for long", 503, []string{"Retry-After: 60"}, "", ErrUnavailable, 1, "status 503 (retry after 1m0s)"},
		{"server error", 500, nil, "", ErrUnavailable, 6, "status 500 (6 attempts)"},
		{"gateway", 502, nil, "<title>Bad Gateway</title>", ErrUnavailable, 6, "status 502 (6 attempts): Bad Gateway"},
		{"redirect", 302, []string{"Location: https://login.example.com/x?state=" + testToken}, "", ErrNotHalo, 1,
			"status 302: not an answer from Halo's API: redirected to login.example.com: is the address right?"},
		{"redirect within", 308, []string{"Location: /login"}, "", ErrNotHalo, 1,
			"status 308: not an answer from Halo's API: redirected to another path: is the address right?"},
		{"not modified", 304, nil, "", ErrNotHalo, 1, "status 304: not an answer from Halo's API"},
		{"HTML", 200, nil, "<title>Maintenance</title>", ErrNotHalo, 1, "status 200: not an answer from Halo's API: Maintenance: HTML where JSON was expected"},
		{"no content", 204, nil, "", ErrNotHalo, 1, "status 204: not an answer from Halo's API: empty answer"},
		{"other client", 200, nil, `{"id":6}`, ErrNotHalo, 1, "status 200: not an answer from Halo's API: answer about client 6"},
		{"breaks off", 200, nil, `{"id":`, ErrUnavailable, 6, "status 200 (6 attempts): unavailable: answer broke off after 6 bytes"},
		{"secret in the body", 400, nil, `{"Message":"` + testToken + ` and ` + testSecret + `"}`, ErrInvalid, 1, "status 400: [hidden] and [hidden]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			a := wired(t, wire{answer: func(*http.Request) (*http.Response, error) {
				tries++
				return reply(tt.status, tt.body, tt.header...), nil
			}}, func(c *Config) { c.MaxWait = 4 * time.Second })
			a.jitter = noWait
			_, err := a.Client(t.Context(), 5)
			checkKind(t, err, tt.kind)
			if want := "read client 5: " + tt.text; err.Error() != want {
				t.Errorf("error %q\nwant  %q", err, want)
			}
			if tries != tt.tries {
				t.Errorf("%d tries, want %d", tries, tt.tries)
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != tt.status || e.Attempts != tt.tries {
				t.Errorf("error %+v", e)
			}
		})
	}
}

func TestAnswersOfTheAuthorisationServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tenant string
		status int
		header []string
		body   string
		kind   error
		tries  int
		text   []string
	}{
		{"wrong secret", "", 401, nil, `{"error":"invalid_client","error_description":"no such"}`, ErrCredentials, 1, []string{"status 401: invalid_client: no such"}},
		{"wrong secret as 400", "", 400, nil, `{"error":"invalid_client"}`, ErrCredentials, 1, []string{"status 400"}},
		{"wrong secret as 200", "", 200, nil, `{"error":"invalid_client"}`, ErrCredentials, 1, []string{"status 200", "invalid_client"}},
		{"bad grant", "", 400, nil, `{"error":"invalid_grant"}`, ErrCredentials, 1, nil},
		{"401 without body", "", 401, nil, ``, ErrCredentials, 1, nil},
		{"bad scope", "", 400, nil, `{"error":"invalid_scope"}`, ErrInvalid, 1, []string{"invalid_scope", "allowed to use the scope"}},
		{"bad request", "", 400, nil, `{"error":"invalid_request"}`, ErrInvalid, 1, nil},
		{"bad request with a tenant", "acme", 400, nil, ``, ErrInvalid, 1, []string{`tenant name "acme"`}},
		{"500 with a tenant", "acme", 500, nil, ``, ErrUnavailable, 2, []string{`status 500 (2 attempts): is the tenant name "acme" right?`}},
		{"500 with JSON", "acme", 500, nil, `{"Message":"oops"}`, ErrUnavailable, 6, []string{"oops"}},
		{"500 without a tenant", "", 500, nil, ``, ErrUnavailable, 6, nil},
		{"wrong path", "", 404, nil, ``, ErrNotHalo, 1, []string{"address of the authorisation server"}},
		{"wrong method", "", 405, nil, ``, ErrNotHalo, 1, []string{"address of the authorisation server"}},
		{"forbidden", "", 403, nil, ``, ErrForbidden, 1, nil},
		{"throttled", "", 429, []string{"Retry-After: 7"}, ``, ErrThrottled, 1, []string{"retry after 7s"}},
		{"HTML", "", 200, []string{"Content-Type: text/html"}, `<title>Sign in</title>`, ErrNotHalo, 1, []string{"Sign in", "address of the authorisation server"}},
		{"redirect", "", 302, []string{"Location: https://elsewhere.example/x"}, ``, ErrNotHalo, 1, []string{"redirected to elsewhere.example"}},
		{"redirect that keeps the method", "", 307, []string{"Location: https://elsewhere.example/x"}, ``, ErrNotHalo, 1, nil},
		{"no token", "", 200, nil, `{"token_type":"Bearer"}`, ErrNotHalo, 1, nil},
		{"token in a form", "", 200, []string{"Content-Type: text/plain"}, `access_token=` + testToken, ErrNotHalo, 1, nil},
		{"token as a string", "", 200, nil, `"` + testToken + `"`, ErrNotHalo, 1, nil},
		{"token in an array", "", 200, nil, `[{"access_token":"` + testToken + `"}]`, ErrNotHalo, 1, nil},
		{"token with a space", "", 200, nil, `{"access_token":"tok en"}`, ErrNotHalo, 1, []string{"token of 6 bytes is too long or has invalid characters"}},
		{"token breaks off", "", 200, nil, `{"access_token":"` + testToken + `"`, ErrUnavailable, 6, []string{"answer broke off"}},
		{"empty", "", 200, nil, ``, ErrNotHalo, 1, nil},
		{"echo", "", 400, nil, `client_secret=` + testSecret, ErrInvalid, 1, []string{"[hidden]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			a := wired(t, wire{
				token: func(r *http.Request) (*http.Response, error) {
					tries++
					if got := r.URL.Query().Get("tenant"); got != tt.tenant {
						t.Errorf("tenant %q", got)
					}
					return reply(tt.status, tt.body, tt.header...), nil
				},
				answer: func(*http.Request) (*http.Response, error) {
					t.Error("the API was called without a token")
					return nil, io.EOF
				},
			}, func(c *Config) { c.Tenant = tt.tenant })
			a.jitter = noWait
			_, err := a.Client(t.Context(), 5)
			checkKind(t, err, tt.kind)
			if tries != tt.tries {
				t.Errorf("%d tries, want %d", tries, tt.tries)
			}
			if !strings.HasPrefix(err.Error(), "read client 5: fetch token: ") {
				t.Errorf("error %q does not name the operation", err)
			}
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q lacks %q", err, text)
				}
			}
			for _, secret := range []string{testSecret, testToken} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error %q shows %q", err, secret)
				}
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Op != OpToken || e.Status != tt.status {
				t.Errorf("error %+v", e)
			}
		})
	}
}
