package halotest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestListPaging(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		clients int
		profile Profile
		query   string
		want    string // page_no page_size record_count, with - for a missing key
		ids     []int64
	}{
		{"first page", 250, Profile{}, "pageinate=true&page_size=100&page_no=1&order=id", "1 100 250", span(1, 100)},
		{"last page", 250, Profile{}, "pageinate=true&page_size=100&page_no=3&order=id", "3 100 250", span(201, 250)},
		{"no page_no is the first", 250, Profile{}, "pageinate=true&page_size=2&order=id", "1 2 250", span(1, 2)},
		{"page_no 0 is the first", 250, Profile{}, "pageinate=true&page_size=2&page_no=0&order=id", "1 2 250", span(1, 2)},
		{"page_no -1 is the first", 250, Profile{}, "pageinate=true&page_size=2&page_no=-1&order=id", "1 2 250", span(1, 2)},
		{"no page_size is 50", 250, Profile{}, "pageinate=true&page_no=2&order=id", "2 50 250", span(51, 100)},
		{"page_size is capped", 250, Profile{}, "pageinate=true&page_size=1000&page_no=2&order=id", "2 1000 250", span(101, 200)},
		{"cap 40", 250, Profile{PageCap: 40}, "pageinate=true&page_size=100&page_no=2&order=id", "2 100 250", span(41, 80)},
		{"cap off", 250, Profile{PageCap: Off}, "pageinate=true&page_size=1000&order=id", "1 1000 250", span(1, 250)},
		{"effective size echoed", 250, Profile{EchoSize: EchoEffective}, "pageinate=true&page_size=1000&page_no=3&order=id", "3 100 250", span(201, 250)},
		{"no size echoed", 250, Profile{EchoSize: EchoMissing}, "pageinate=true&page_size=2&order=id", "1 - 250", span(1, 2)},

		{"past the end, last again", 25, Profile{}, "pageinate=true&page_size=10&page_no=4&order=id", "4 10 25", span(21, 25)},
		{"far past the end", 25, Profile{}, "pageinate=true&page_size=100&page_no=2147483647&order=id", "2147483647 100 25", span(1, 25)},
		{"past the end, empty", 25, Profile{PastEnd: PastEndEmpty}, "pageinate=true&page_size=10&page_no=4&order=id", "4 10 25", []int64{}},
		{"past the end, first again", 25, Profile{PastEnd: PastEndRepeatsFirst}, "pageinate=true&page_size=10&page_no=4&order=id", "4 10 25", span(1, 10)},
		{"last page exactly full", 20, Profile{}, "pageinate=true&page_size=10&page_no=2&order=id", "2 10 20", span(11, 20)},
		{"after a full last page", 20, Profile{PastEnd: PastEndEmpty}, "pageinate=true&page_size=10&page_no=3&order=id", "3 10 20", []int64{}},
		{"after a full last page, the last page again", 20, Profile{}, "pageinate=true&page_size=10&page_no=3&order=id", "3 10 20", span(11, 20)},
		{"nobody", 0, Profile{}, "pageinate=true&page_size=10&page_no=1", "1 10 0", []int64{}},
		{"nobody, past the end", 0, Profile{}, "pageinate=true&page_size=10&page_no=2", "2 10 0", []int64{}},

		{"not paged", 250, Profile{}, "page_size=100&page_no=3&order=id", "- - 250", span(1, 50)},
		{"misspelt", 250, Profile{}, "paginate=true&page_size=100&page_no=3&order=id", "- - 250", span(1, 50)},
		{"1 is not true", 250, Profile{}, "pageinate=1&page_size=100&page_no=3&order=id", "- - 250", span(1, 50)},
		{"Python's True", 250, Profile{}, "pageinate=True&page_size=2&page_no=3&order=id", "3 2 250", span(5, 6)},
		{"count", 250, Profile{}, "count=120&order=id", "- - 250", span(1, 120)},
		{"count of all and more", 250, Profile{}, "count=2147483647&order=id", "- - 250", span(1, 250)},
		{"count capped", 250, Profile{CountCapped: true}, "count=120&order=id", "- - 250", span(1, 100)},
		{"the count does not affect the pages", 250, Profile{}, "pageinate=true&count=3&page_size=2&order=id", "1 2 250", span(1, 2)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, WithProfile(tt.profile))
			r.fill(tt.clients)
			l := r.list(tt.query)
			if got := fmt.Sprint(orDash(l.Page), " ", orDash(l.Size), " ", l.Count); got != tt.want {
				t.Errorf("envelope %s, want %s", got, tt.want)
			}
			if d := cmp.Diff(tt.ids, l.ids()); d != "" {
				t.Error(d)
			}
		})
	}
}

func orDash(n *int) any {
	if n == nil {
		return "-"
	}
	return *n
}

func TestListEnvelope(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		profile     Profile
		query, want string
	}{
		{Profile{}, "pageinate=true&page_size=10", `{"page_no":1,"page_size":10,"record_count":1,"clients":[{}]}`},
		{Profile{}, "", `{"record_count":1,"clients":[{}]}`},
		{Profile{RecordCount: CountString}, "pageinate=true&page_size=10", `{"page_no":1,"page_size":10,"record_count":"1","clients":[{}]}`},
		{Profile{RecordCount: CountMissing}, "pageinate=true&page_size=10", `{"page_no":1,"page_size":10,"clients":[{}]}`},
		{Profile{RecordCount: CountMissing}, "", `{"clients":[{}]}`},
		{Profile{BareArray: true}, "pageinate=true&page_size=10", `[{}]`},
	} {
		r := newFixture(t, WithProfile(tt.profile))
		r.tenant.Add(Client{ID: 1, Raw: "{}"})
		rep := r.get("/api/Client?" + tt.query)
		if rep.body != tt.want || rep.header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%+v %s: got %s, want %s", tt.profile, tt.query, rep.body, tt.want)
		}
	}
}

func TestListOrder(t *testing.T) {
	t.Parallel()
	add := []Client{{ID: 1, Name: "delta"}, {ID: 2, Name: "Charlie"}, {ID: 3, Name: "bravo"}, {ID: 4, Name: "Alpha"}}
	for _, tt := range []struct {
		profile Profile
		query   string
		want    []int64
	}{
		{Profile{}, "", span(4, 1)},
		{Profile{}, "order=name", span(4, 1)},
		{Profile{}, "order=NAME&orderdesc=true", span(1, 4)},
		{Profile{}, "order=id", span(1, 4)},
		{Profile{}, "order=id&orderdesc=true", span(4, 1)},
		{Profile{}, "order=id&orderdesc=True", span(4, 1)},
		{Profile{}, "order=id&orderdesc=1", span(1, 4)},
		{Profile{}, "order=nonsense", span(4, 1)},
		{Profile{DefaultSort: SortByID}, "", span(1, 4)},
		{Profile{DefaultSort: SortByID}, "order=name", span(4, 1)},
		{Profile{IgnoreOrder: true}, "order=id", span(4, 1)},
		{Profile{}, "pageinate=true&page_size=3&page_no=2&order=id&orderdesc=true", span(1, 1)},
		{Profile{}, "pageinate=true&page_size=2&page_no=2&order=name", span(2, 1)},
	} {
		r := newFixture(t, WithProfile(tt.profile))
		r.tenant.Add(add...)
		if d := cmp.Diff(tt.want, r.list(tt.query).ids()); d != "" {
			t.Errorf("%+v %s: %s", tt.profile, tt.query, d)
		}
	}
}

// A database guarantees no order among equal names, so the simulator must not
// order them by id.
func TestListOrderOfEqualNames(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	for id := range int64(20) {
		r.tenant.Add(Client{ID: id + 1, Name: "Same"})
	}
	got := r.list("order=name").ids()
	if cmp.Equal(got, span(1, 20)) || cmp.Equal(got, span(20, 1)) {
		t.Errorf("equal names are ordered by id: %v", got)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(
		Client{ID: 1, Name: "Müller Bau", TopLevelID: 1, TopLevelName: "Customers"},
		Client{ID: 2, Name: "MÜLLER & Söhne", TopLevelID: 2, TopLevelName: "Healthcare", Inactive: true},
		Client{ID: 3, Name: "Smith", Ref: "C1000", Website: "https://smith.example", TopLevelID: 2, TopLevelName: "Healthcare"},
		Client{ID: 4, Name: "100% Cotton", Email: "office@cotton.example", Phone: "01632 960001"},
		Client{ID: 5, Name: "Old Smith", Inactive: true},
	)
	active, all, inactive := []int64{1, 3, 4}, []int64{1, 2, 3, 4, 5}, []int64{2, 5}
	for query, want := range map[string][]int64{
		"":                     active,
		"includeinactive=true": all,
		"includeinactive=1":    active,
		"includeinactive=yes":  active,
		"includeactive=false":  {},
		"includeactive=false&includeinactive=true":    inactive,
		"activeinactive=true,true":                    all,
		"activeinactive=true,false":                   active,
		"activeinactive=false,true":                   inactive,
		"activeinactive=nonsense":                     active,
		"include_inactive=true":                       active, // misspelt, so ignored
		"name=Smith&q=Smith":                          active, // there are no such filters
		"search=m%C3%BCller":                          {1},
		"search=m%C3%BCller&includeinactive=true":     {1, 2},
		"search=SMITH":                                {3},
		"search=mit":                                  {3},
		"search=healthcare":                           {3},
		"search=c1000":                                {3},
		"search=SMITH.example":                        {3},
		"search=office%40":                            {4},
		"search=960001":                               {4},
		"search=%25":                                  {4}, // not a wildcard
		"search=nobody":                               {},
		"search=":                                     active,
		"search_name_only=smith&includeinactive=true": {3, 5},
		"search_name_only=healthcare":                 {},
		"toplevel_id=2":                               {3},
		"toplevel_id=2&includeinactive=true":          {2, 3},
		"toplevel_id=9":                               {},
		"toplevel_id=0":                               active,
	} {
		l := r.list(query + "&order=id")
		if d := cmp.Diff(want, l.ids()); d != "" {
			t.Errorf("%s: %s", query, d)
		}
		if l.Count != len(want) {
			t.Errorf("%s: record_count %d, want %d", query, l.Count, len(want))
		}
	}
}

func TestListLastUpdate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	r := newFixture(t)
	r.tenant.Add(
		Client{ID: 1, Updated: at.Add(-time.Second)}, Client{ID: 2, Updated: at},
		Client{ID: 3, Updated: at.Add(time.Hour)}, Client{ID: 4},
	)
	for _, date := range []string{"2026-05-04T03:02:01", "2026-05-04T03:02:01Z", "2026-05-04T05:02:01+02:00", "2026-05-04 03:02:01"} {
		query := "order=id&lastupdatefromdate=" + url.QueryEscape(date)
		r.SetProfile(func(p *Profile) { p.FilterByUpdate = false })
		if got := r.list(query).ids(); !cmp.Equal(got, span(1, 4)) {
			t.Errorf("%s, ignored: %v", date, got)
		}
		r.SetProfile(func(p *Profile) { p.FilterByUpdate = true })
		if got := r.list(query).ids(); !cmp.Equal(got, span(2, 3)) {
			t.Errorf("%s: %v", date, got)
		}
	}
	if got := r.list("order=id&lastupdatefromdate=true").ids(); !cmp.Equal(got, span(1, 4)) {
		t.Errorf("no date: %v", got)
	}
}

func TestListBindingErrors(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	for query, want := range map[string]string{
		"page_no=two":            `{"page_no":["The value 'two' is not valid."]}`,
		"page_size=1e2":          `{"page_size":["The value '1e2' is not valid."]}`,
		"count=99999999999":      `{"count":["The value '99999999999' is not valid."]}`,
		"toplevel_id=%22":        `{"toplevel_id":["The value '\"' is not valid."]}`,
		"count=a&page_no=b":      `{"page_no":["The value 'b' is not valid."],"count":["The value 'a' is not valid."]}`,
		"pageinate=true&count=a": `{"count":["The value 'a' is not valid."]}`,
		"count=true+":            `{"count":["The value 'true ' is not valid."]}`,
	} {
		if rep := r.get("/api/Client?" + query); rep.status != http.StatusBadRequest || rep.body != want {
			t.Errorf("%s: got %d %s", query, rep.status, rep.body)
		}
	}
	for _, query := range []string{"count=true", "count=False&pageinate=true"} {
		r.list(query)
	}
	r.SetProfile(func(p *Profile) { p.StrictCount = true })
	if rep := r.get("/api/Client?count=true"); rep.status != 400 || rep.body != `{"count":["The value 'true' is not valid."]}` {
		t.Errorf("strict: %+v", rep)
	}
	if rep := r.do(http.MethodGet, "/api/Client?page_no=two", ""); rep.status != 401 {
		t.Errorf("parameters were checked before the token: %+v", rep)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(Client{ID: 5, Name: "Five"})
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/api/Client", 200, ""},
		{"GET", "/api/client", 200, ""},
		{"GET", "/API/CLIENT/5", 200, ""},
		{"GET", "/api/Clients", 404, ""},
		{"GET", "/api/Client/", 404, ""},
		{"GET", "/api/Client/5/", 404, ""},
		{"GET", "/api/Client/5/Site", 404, ""},
		{"GET", "/api/api/Client", 404, ""},
		{"GET", "/Client", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/api/Tickets", 404, ""},
		{"GET", "/api/Site/22", 404, ""},
		{"GET", "/api/agent", 404, ""},
		{"GET", "/api/agent/ME", 200, ""},
		{"PUT", "/api/Client", 405, "GET, POST"},
		{"POST", "/api/Client/5", 405, "GET, DELETE"},
		{"POST", "/api/Report", 405, "GET"},
		{"HEAD", "/api/Client", 405, "GET, POST"},
		{"GET", "/auth/token", 405, "POST"},
		{"POST", "/api/token", 404, ""},
		{"POST", "/token", 404, ""},
	} {
		rep := r.do(tt.method, tt.path, "", "Authorization", "Bearer "+r.token)
		if rep.status != tt.status || rep.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: got %+v", tt.method, tt.path, rep)
		}
		if tt.status >= 400 && rep.body != "" {
			t.Errorf("%s %s: body %q", tt.method, tt.path, rep.body)
		}
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.Tenant("acme")
	host := strings.TrimPrefix(r.URL(), "http://")
	for path, want := range map[string]string{
		"/api/authinfo":             `{"auth_url":"http://HOST/auth","tenant_id":""}`,
		"/api/AuthInfo?tenant=acme": `{"auth_url":"http://HOST/auth","tenant_id":"acme"}`,
		"/auth/.well-known/openid-configuration": `{"issuer":"http://HOST/auth/","token_endpoint":"http://HOST/auth/token",` +
			`"grant_types_supported":["client_credentials"],"token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"]}`,
	} {
		rep := r.do(http.MethodGet, path, "")
		if want = strings.ReplaceAll(want, "HOST", host); rep.status != 200 || rep.body != want {
			t.Errorf("%s: got %d %s", path, rep.status, rep.body)
		}
	}
}

// A deleted client is in no list. The switch sets the answer to a request for it.
func TestDeletedStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 200, 400, 401, 404, 410, 500} {
		r := newFixture(t, WithProfile(Profile{DeletedStatus: status}))
		r.tenant.Add(Client{ID: 1, Name: "One"}, Client{ID: 2, Name: "Two"}, Client{ID: 3, Name: "Three"})
		r.tenant.Delete(2)
		r.tenant.Merge(3, 1)
		if got := r.list("order=id&includeinactive=true"); got.Count != 1 || !cmp.Equal(got.ids(), span(1, 1)) {
			t.Errorf("%d: listed: %+v", status, got)
		}
		want := r.Profile().DeletedStatus
		for path, name := range map[string]string{"/api/Client/2": "Two", "/api/Client/3": "Three"} {
			rep := r.get(path)
			if rep.status != want || strings.Contains(rep.body, name) != (want == 200) || want != 200 && rep.body != "" {
				t.Errorf("%d: %s: got %+v", status, path, rep)
			}
		}
		if rep := r.get("/api/Client/4"); rep.status != 404 {
			t.Errorf("%d: a client that never existed: %+v", status, rep)
		}
		r.tenant.Add(Client{ID: 2, Name: "Two again"})
		if rep := r.get("/api/Client/2"); rep.status != 200 || !strings.Contains(rep.body, "Two again") {
			t.Errorf("%d: added again: %+v", status, rep)
		}
	}
}
