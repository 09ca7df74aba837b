package halotest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestToken(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	rep := r.form("/Auth/Token", "grant_type", "client_credentials", "client_id", "app", "client_secret", "secret",
		"scope", "read:customers offline_access")
	if rep.status != http.StatusOK || rep.header.Get("Content-Type") != "application/json; charset=utf-8" ||
		rep.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %+v", rep)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(rep.body), &got); err != nil {
		t.Fatal(err)
	}
	tokens := r.Tokens()
	for _, key := range []string{"access_token", "id_token", "refresh_token"} {
		value, _ := got[key].(string)
		if strings.Count(value, ".") != 2 || !slices.Contains(tokens, value) {
			t.Errorf("%s %q is not a JWT, or not in the list of tokens", key, value)
		}
		delete(got, key)
	}
	want := map[string]any{"token_type": "Bearer", "expires_in": 3600.0, "scope": "read:customers offline_access"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	r.SetProfile(func(p *Profile) { p.BareToken = true })
	rep = r.form("/auth/token", "grant_type", "client_credentials", "client_id", "app", "client_secret", "secret", "scope", "all")
	if strings.Contains(rep.body, "id_token") || strings.Contains(rep.body, "refresh_token") {
		t.Errorf("bare: %s", rep.body)
	}
}

// The token is valid for its whole lifetime, regardless of what the answer
// says.
func TestExpiresIn(t *testing.T) {
	t.Parallel()
	for form, want := range map[ExpiresIn]string{
		ExpiresInt: `,"expires_in":3600,`, ExpiresDouble: `,"expires_in":3600.0,`, ExpiresText: `,"expires_in":"3600",`,
		ExpiresEmpty: `,"expires_in":"",`, ExpiresMissing: `"Bearer","scope"`, ExpiresNegative: `,"expires_in":-1,`,
	} {
		c := newClock()
		r := newFixture(t, WithClock(c.Now), WithProfile(Profile{ExpiresIn: form}))
		rep := r.form("/auth/token", "grant_type", "client_credentials", "client_id", "app", "client_secret", "secret", "scope", "all")
		if !strings.Contains(rep.body, want) || strings.Contains(rep.body, "expires_in") == (form == ExpiresMissing) {
			t.Errorf("%s: got %s", want, rep.body)
		}
		c.Advance(time.Hour - 1)
		r.list("")
		c.Advance(1)
		r.refused(want)
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	const (
		form   = "application/x-www-form-urlencoded"
		client = `{"error":"invalid_client","error_description":"The specified client credentials are invalid."}`
		scope  = `{"error":"invalid_scope","error_description":"The specified 'scope' is invalid."}`
		noForm = `{"error":"invalid_request","error_description":"The body must be application/x-www-form-urlencoded."}`
		twice  = `{"error":"invalid_request","error_description":"Client credentials must be sent in one way only."}`
	)
	for _, tt := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"wrong secret", form, "grant_type=client_credentials&client_id=app&client_secret=no&scope=all", 401, client},
		{"no secret", form, "grant_type=client_credentials&client_id=app&scope=all", 401, client},
		{"unknown client", form, "grant_type=client_credentials&client_id=no&client_secret=secret&scope=all", 401, client},
		{"unknown scope", form, "grant_type=client_credentials&client_id=app&client_secret=secret&scope=nonsense", 400, scope},
		{"no scope", form, "grant_type=client_credentials&client_id=app&client_secret=secret", 400, scope},
		{"wrong secret before scope", form, "grant_type=client_credentials&client_id=app&client_secret=no&scope=nonsense", 401, client},
		{
			"other grant", form, "grant_type=magic&client_id=app&client_secret=secret&scope=all", 400,
			`{"error":"unsupported_grant_type","error_description":"The specified grant type is not supported."}`,
		},
		{
			"no grant", form, "client_id=app&client_secret=secret&scope=all", 400,
			`{"error":"invalid_request","error_description":"The mandatory 'grant_type' parameter is missing."}`,
		},
		{"JSON body", "application/json", `{"grant_type":"client_credentials"}`, 400, noForm},
		{"no content type", "", "grant_type=client_credentials", 400, noForm},
		{"broken form", form, "%zz", 400, noForm},
		{"huge form", form, "x=" + strings.Repeat("x", maxForm), 400, noForm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t)
			rep := r.do(http.MethodPost, "/auth/token", tt.body, "Content-Type", tt.kind)
			if rep.status != tt.status || rep.body != tt.want {
				t.Errorf("got %d %s", rep.status, rep.body)
			}
		})
	}

	t.Run("parameters in the address", func(t *testing.T) {
		t.Parallel()
		r := newFixture(t)
		rep := r.form("/auth/token?client_secret=secret&client_id=app&scope=all", "grant_type", "client_credentials")
		if rep.status != 401 {
			t.Errorf("got %d %s", rep.status, rep.body)
		}
	})
	t.Run("secret in body and header", func(t *testing.T) {
		t.Parallel()
		r := newFixture(t)
		rep := r.do(http.MethodPost, "/auth/token", "grant_type=client_credentials&client_id=app&client_secret=secret&scope=all",
			"Content-Type", form, "Authorization", "Basic YXBwOnNlY3JldA==")
		if rep.status != 400 || rep.body != twice {
			t.Errorf("got %d %s", rep.status, rep.body)
		}
	})
}

func TestTokenBasic(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.App("a b", "s:%")
	for header, status := range map[string]int{
		"Basic YXBwOnNlY3JldA==":  200, // app:secret
		"Basic YStiOnMlM0ElMjU=":  200, // a+b:s%3A%25
		"Basic YXBwOndyb25n":      401, // app:wrong
		"Basic !":                 400,
		"Bearer YXBwOnNlY3JldA==": 400,
		"Basic " + "YXBwOiV6eg==": 400, // app:%zz
	} {
		rep := r.do(http.MethodPost, "/auth/token", "grant_type=client_credentials&scope=all",
			"Content-Type", "application/x-www-form-urlencoded", "Authorization", header)
		if rep.status != status {
			t.Errorf("%s: status %d, want %d: %s", header, rep.status, status, rep.body)
		}
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	acme := r.Tenant("acme")
	acme.App("app", "other")
	acme.App("acme-app", "secret")
	acme.Add(Client{ID: 7, Name: "Of acme"})
	r.tenant.Add(Client{ID: 8, Name: "Of the host"})

	ask := func(path, id string, more ...string) reply {
		return r.form(path, append([]string{"grant_type", "client_credentials", "client_id", id, "client_secret", "secret", "scope", "all"}, more...)...)
	}
	for _, tt := range []struct {
		name   string
		rep    reply
		status int
		body   string
	}{
		{"in the address", ask("/auth/token?tenant=acme", "acme-app"), 200, ""},
		{"in the form", ask("/auth/token", "acme-app", "tenant", "acme"), 200, ""},
		{"none, the host's application", ask("/auth/token", "app"), 200, ""},
		{"same id, another tenant's secret", ask("/auth/token?tenant=acme", "app"), 401, "invalid_client"},
		{"another tenant's application", ask("/auth/token", "acme-app"), 401, "invalid_client"},
		{"unknown tenant", ask("/auth/token?tenant=nobody", "app"), 500, ""},
		{"unknown tenant in the form", ask("/auth/token", "app", "tenant", "nobody"), 500, ""},
	} {
		if tt.rep.status != tt.status || !strings.Contains(tt.rep.body, tt.body) {
			t.Errorf("%s: got %d %q", tt.name, tt.rep.status, tt.rep.body)
		}
		if tt.status == 500 && tt.rep.body != "" {
			t.Errorf("%s: body %q, want none", tt.name, tt.rep.body)
		}
	}

	r.SetProfile(func(p *Profile) { p.WrongTenant = WrongTenantJSON400 })
	if rep := ask("/auth/token?tenant=nobody", "app"); rep.status != 400 ||
		rep.body != `{"error":"invalid_request","error_description":"The specified tenant is not valid."}` {
		t.Errorf("got %+v", rep)
	}

	acme.App("app", "secret")
	if got := r.list("").ids(); !cmp.Equal(got, []int64{8}) {
		t.Errorf("the host's token reads %v", got)
	}
	r.token = r.login("acme")
	if got := r.list("").ids(); !cmp.Equal(got, []int64{7}) {
		t.Errorf("acme's token reads %v", got)
	}
}

// refused checks that a request is answered with 401 and no body.
func (r *fixture) refused(why string) {
	r.tb.Helper()
	for _, path := range []string{"/api/Client", "/api/client/1"} {
		rep := r.get(path)
		if rep.status != 401 || rep.body != "" || rep.header.Get("Content-Length") != "0" {
			r.tb.Errorf("%s: %s: got %d %q", why, path, rep.status, rep.body)
		}
	}
}

func TestTokenEnds(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newFixture(t, WithClock(c.Now))
	r.fill(1)
	renew := func() {
		t.Helper()
		r.token = r.login("")
		r.list("")
	}

	c.Advance(time.Hour - time.Nanosecond)
	r.list("")
	c.Advance(time.Nanosecond)
	r.refused("after expires_in")

	renew()
	r.SetProfile(func(p *Profile) { p.TokenDies = time.Minute })
	renew()
	c.Advance(time.Minute)
	r.refused("died early")

	r.SetProfile(func(p *Profile) { p.TokenDies, p.TokenUses = 0, 2 })
	renew()
	r.list("")
	r.refused("used up")

	r.SetProfile(func(p *Profile) { p.TokenUses = 0 })
	renew()
	r.app.SetSecret("new")
	r.list("") // tokens outlive a changed secret
	r.app.SetSecret("secret")
	r.app.Revoke()
	r.refused("revoked")

	renew()
	r.login("")
	r.list("") // both tokens are valid at once
	r.SetProfile(func(p *Profile) { p.NewTokenKillsOld = true })
	r.login("")
	r.refused("replaced")

	renew()
	r.tenant.App("app", "secret")
	r.refused("application registered again")

	r.token = "no such token"
	r.refused("unknown")
	if rep := r.do(http.MethodGet, "/api/Client", ""); rep.status != 401 || rep.body != "" {
		t.Errorf("no token: %+v", rep)
	}
	if rep := r.do(http.MethodGet, "/api/Client", "", "Authorization", "Basic "+r.token); rep.status != 401 {
		t.Errorf("other scheme: %+v", rep)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		own    []string
		asked  string
		token  int
		client int
	}{
		{[]string{"all"}, "all", 200, 200},
		{[]string{"all"}, "read:customers", 200, 200},
		{[]string{"all"}, "read:tickets read:customers", 200, 200},
		{[]string{"all"}, "all:standard", 200, 200},
		{[]string{"all"}, "read:tickets", 200, 403},
		{[]string{"all"}, "edit:customers", 200, 200},
		{[]string{"all"}, "edit:tickets", 200, 403},
		{[]string{"all"}, "admin edit:tickets edit:customers", 200, 200},
		{[]string{"all"}, " read:customers  all:teams admin:webhooks editMine:timesheets offline_access ", 200, 200},
		{[]string{"all"}, "all:teams admin:webhooks", 200, 403},
		{[]string{"all"}, "admin", 200, 403},
		{[]string{"all"}, "read:customers read:sites", 400, 0},
		{[]string{"all"}, "read:users", 400, 0},
		{[]string{"all"}, "read:customers,read:tickets", 400, 0},
		{[]string{"all"}, "read:nonsense", 400, 0},
		{[]string{"all"}, "delete:customers", 400, 0},
		{[]string{"read:customers"}, "read:customers", 200, 200},
		{[]string{"edit:customers"}, "edit:customers", 200, 200},
		{[]string{"edit:customers"}, "read:customers", 400, 0},
		{[]string{"read:customers"}, "all", 400, 0},
		{[]string{"read:customers"}, "read:customers read:tickets", 400, 0},
	} {
		t.Run(tt.own[0]+" "+tt.asked, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t)
			r.fill(1)
			r.tenant.App("x", "s", WithScopes(tt.own...))
			rep := r.form("/auth/token", "grant_type", "client_credentials", "client_id", "x", "client_secret", "s", "scope", tt.asked)
			if rep.status != tt.token {
				t.Fatalf("token: %+v", rep)
			}
			if tt.token != 200 {
				return
			}
			var got struct {
				AccessToken string `json:"access_token"`
			}
			if err := json.Unmarshal([]byte(rep.body), &got); err != nil {
				t.Fatal(err)
			}
			r.token = got.AccessToken
			if rep := r.get("/api/Client/1"); rep.status != tt.client || tt.client == 403 && rep.body != "" {
				t.Errorf("detail: %+v", rep)
			}
			if rep := r.get("/api/Client"); rep.status != tt.client || tt.client == 403 && rep.body != "" {
				t.Errorf("list: %+v", rep)
			}
		})
	}
}

// as logs in with a scope.
func (r *fixture) as(scope string) {
	r.tb.Helper()
	rep := r.form("/auth/token", "grant_type", "client_credentials", "client_id", "app", "client_secret", "secret", "scope", scope)
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(rep.body), &got); err != nil || rep.status != 200 {
		r.tb.Fatalf("%s: %+v", scope, rep)
	}
	r.token = got.AccessToken
}

// Each route needs its own scope.
func TestScopesOfRoutes(t *testing.T) {
	t.Parallel()
	const customers, reporting, webhooks, me, write = "/api/Client /api/Client/1 /api/Site /api/Users /api/TopLevel",
		"/api/Report /api/Report/1", "/api/Webhook", "/api/Agent/me", "POST DELETE"
	all := strings.Fields(strings.Join([]string{customers, reporting, webhooks, me, write}, " "))
	r := newFixture(t)
	for _, tt := range []struct {
		scope, allowed string
		strict         bool // edit does not cover reading
	}{
		{"all", strings.Join(all, " "), false},
		{"all:standard", strings.Join([]string{customers, reporting, me, write}, " "), false},
		{"admin", webhooks + " " + me, false},
		{"admin:webhooks", webhooks + " " + me, false},
		{"read:customers", customers + " " + me, false},
		{"edit:customers", strings.Join([]string{customers, me, write}, " "), false},
		{"edit:customers", me + " " + write, true},
		{"read:customers edit:customers", strings.Join([]string{customers, me, write}, " "), true},
		{"read:reporting", reporting + " " + me, false},
		{"edit:reporting", reporting + " " + me, false},
		{"edit:reporting", me, true},
		{"read:tickets all:teams", me, false},
	} {
		r.SetProfile(func(p *Profile) { p.EditWithoutRead = tt.strict })
		r.as(tt.scope)
		for _, path := range all {
			r.tenant.Add(Client{ID: 1, Name: "One"})
			auth := []string{"Authorization", "Bearer " + r.token, "Content-Type", "application/json"}
			var rep reply
			switch path {
			case "POST":
				rep = r.do(path, "/api/Client", `[{"id":1}]`, auth...)
			case "DELETE":
				rep = r.do(path, "/api/Client/1", "", auth...)
			default:
				rep = r.get(path)
			}
			allowed := slices.Contains(strings.Fields(tt.allowed), path)
			if allowed != (rep.status/100 == 2) || !allowed && (rep.status != 403 || rep.body != "") {
				t.Errorf("%s (%v): %s: got %+v", tt.scope, tt.strict, path, rep)
			}
		}
	}
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.fill(3)
	acme := r.Tenant("acme")
	reader := acme.App("reader", "secret", WithAPIKey("static key"), WithScopes("read:customers"))
	acme.Add(Client{ID: 7, Name: "Of acme"})
	get := func(path, key string) reply { return r.do(http.MethodGet, path, "", "X-Halo-Api-Key", key) }

	if rep := get("/api/Client/7", "static key"); rep.status != 200 || !strings.Contains(rep.body, "Of acme") {
		t.Errorf("got %+v", rep)
	}
	if rep := get("/api/Report", "static key"); rep.status != 403 {
		t.Errorf("beyond its scopes: %+v", rep)
	}
	for _, key := range []string{"", "another"} {
		if rep := get("/api/Client", key); rep.status != 401 || rep.body != "" {
			t.Errorf("key %q: %+v", key, rep)
		}
	}
	if rep := r.do(http.MethodGet, "/api/Client", "", "Authorization", "Bearer static key"); rep.status != 401 {
		t.Errorf("the key is no token: %+v", rep)
	}
	if r.Log().Tenants["acme"].Requests != 2 || !slices.Contains(r.Tokens(), "static key") {
		t.Errorf("log %+v, tokens %q", r.Log().Tenants, r.Tokens())
	}
	reader.Rights(ReadNone)
	if rep := get("/api/Client/7", "static key"); rep.status != 404 {
		t.Errorf("the rights have changed: %+v", rep)
	}
	acme.App("reader", "secret")
	if rep := get("/api/Client/7", "static key"); rep.status != 401 {
		t.Errorf("application registered again: %+v", rep)
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.fill(10)
	r.app.Rights(ReadNone)
	if got := r.list("").Count; got != 10 {
		t.Errorf("%d clients with a token issued before the change, want 10", got)
	}

	r.token = r.login("")
	if rep := r.get("/api/Client?pageinate=true&page_size=5"); rep.body != `{"page_no":1,"page_size":5,"record_count":0,"clients":[]}` || rep.status != 200 {
		t.Errorf("no rights: %+v", rep)
	}
	r.app.Rights(ReadSome(func(id int64) bool { return id%2 == 0 }))
	r.token = r.login("")
	l := r.list("pageinate=true&page_size=3&page_no=2&order=id")
	if l.Count != 5 || !cmp.Equal(l.ids(), []int64{8, 10}) {
		t.Errorf("some rights: %+v", l)
	}
	if rep := r.get("/api/Client/2"); rep.status != 200 {
		t.Errorf("allowed: %+v", rep)
	}
	if rep := r.get("/api/Client/3"); rep.status != 404 || rep.body != "" {
		t.Errorf("hidden: %+v", rep)
	}
	r.SetProfile(func(p *Profile) { p.HiddenForbidden = true })
	if rep := r.get("/api/Client/3"); rep.status != 403 || rep.body != "" {
		t.Errorf("forbidden: %+v", rep)
	}
}

func TestTokenStoreSweepsTheDead(t *testing.T) {
	t.Parallel()
	var s tokenStore
	now := time.Unix(1000, 0)
	for i := range maxTokens {
		s.put(strings.Repeat("x", i%7)+time.Duration(i).String(), &token{dies: now}, now.Add(-1))
	}
	s.put("alive", &token{dies: now.Add(1)}, now)
	if len(s.m) != 1 || s.m["alive"] == nil {
		t.Errorf("%d tokens left", len(s.m))
	}
}

func TestAppHidesSecret(t *testing.T) {
	t.Parallel()
	a := New().Tenant("").App("id", "hush")
	if s := a.String() + a.GoString(); strings.Contains(s, "hush") {
		t.Error(s)
	}
}
