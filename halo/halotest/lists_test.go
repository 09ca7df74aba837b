package halotest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rows reads the array with the given key, or a bare array if key is empty.
func (r *fixture) rows(path, key string) (rows []map[string]any, envelope map[string]any) {
	r.tb.Helper()
	rep := r.get(path)
	var body any
	if err := json.Unmarshal([]byte(rep.body), &body); err != nil || rep.status != http.StatusOK {
		r.tb.Fatalf("%s: %v: %+v", path, err, rep)
	}
	if key != "" {
		envelope, _ = body.(map[string]any)
		body = envelope[key]
		delete(envelope, key)
	}
	list, ok := body.([]any)
	if !ok {
		r.tb.Fatalf("%s: no array in %s", path, rep.body)
	}
	for _, row := range list {
		object, _ := row.(map[string]any)
		rows = append(rows, object)
	}
	return rows, envelope
}

// All lists have the same paging and filters. Their rows agree with the clients.
func TestOtherLists(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(
		Client{ID: 1, Name: "One", TopLevelID: 4, TopLevelName: "Customers", Email: "one@one.example"},
		Client{ID: 2, Name: "Two", TopLevelID: 3, TopLevelName: "Partners"},
		Client{ID: 3, Name: "No site", MainSiteID: -1},
		Client{ID: 4, Name: "Gone", Inactive: true, TopLevelID: 3, TopLevelName: "Partners"},
	)
	for _, tt := range []struct {
		path, key, field string
		count            float64
		want             string
	}{
		{"/api/Site?order=id", "sites", "client_name", 2, "[One Two]"},
		{"/api/Site?order=id&includeinactive=true", "sites", "id", 3, "[18 19 21]"},
		{"/api/Site?client_id=2", "sites", "clientsite_name", 1, "[Two/Main]"},
		{"/api/Site?toplevel_id=4", "sites", "client_id", 1, "[1]"},
		{"/api/Site?pageinate=true&page_size=1&page_no=2&order=id", "sites", "id", 2, "[19]"},
		{"/api/Users?order=id", "users", "site_id", 2, "[18 19]"},
		{"/api/Users?client_id=1", "users", "emailaddress", 1, "[one@one.example]"},
		{"/api/Users?client_id=9", "users", "id", 0, "[]"},
		{"/api/TopLevel", "tree", "name", 2, "[Partners Customers]"},
		{"/api/TopLevel?pageinate=true&page_size=1&page_no=2", "tree", "id", 2, "[4]"},
		{"/api/Report", "reports", "name", 1, "[Clients]"},
		{"/api/Webhook", "", "id", 0, "[]"},
	} {
		rows, envelope := r.rows(tt.path, tt.key)
		got := []any{}
		for _, row := range rows {
			got = append(got, row[tt.field])
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.path, got, tt.want)
		}
		if count, _ := envelope["record_count"].(float64); count != tt.count {
			t.Errorf("%s: record_count %v, want %v", tt.path, count, tt.count)
		}
	}
	if rep := r.get("/api/Site?client_id=x"); rep.status != 400 {
		t.Errorf("got %+v", rep)
	}
	if got := r.list("client_id=2&order=id"); got.Count != 3 {
		t.Errorf("/Client has no parameter client_id: %+v", got)
	}
	for _, path := range []string{"/api/Site?client_id=1", "/api/Users?client_id=1"} {
		if rep := r.get(path); !strings.Contains(rep.body, ":1.0,") && !strings.Contains(rep.body, ":18.0,") {
			t.Errorf("%s: no double in %s", path, rep.body)
		}
	}
	r.app.Rights(ReadSome(func(id int64) bool { return id == 2 }))
	r.token = r.login("")
	for path, key := range map[string]string{"/api/Site": "sites", "/api/Users": "users", "/api/TopLevel": "tree"} {
		if rows, envelope := r.rows(path, key); len(rows) != 1 || envelope["record_count"] != 1.0 {
			t.Errorf("%s: an agent that reads one client gets %v, %v", path, rows, envelope)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(Client{ID: 2, Name: "Two", Inactive: true}, Client{ID: 1, Name: "One"})
	for path, want := range map[string]string{
		"/api/Report/1":                  `{"id":1,"name":"Clients"}`,
		"/api/Report/1?loadreport=false": `{"id":1,"name":"Clients"}`,
		"/api/Report/1?loadreport=true": `{"id":1,"name":"Clients","report":{"loaded":true,"base_link":"","table_html":"","rows":[` +
			`{"aarea":1,"aareadesc":"One","aisinactive":false},{"aarea":2,"aareadesc":"Two","aisinactive":true}]}}`,
	} {
		if rep := r.get(path); rep.status != 200 || rep.body != want {
			t.Errorf("%s: got %+v", path, rep)
		}
	}
	if rep := r.get("/api/Report/2"); rep.status != 404 {
		t.Errorf("got %+v", rep)
	}
}

func TestAgentAndInstance(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	if rep := r.get("/api/Agent/me"); rep.body != `{"id":3,"name":"app","isdisabled":false,"is_agent":true,"claims":[{"type":"sub","value":"app"}]}` {
		t.Errorf("got %+v", rep)
	}
	if rep := r.do(http.MethodGet, "/api/Agent/me", ""); rep.status != 401 {
		t.Errorf("no token: %+v", rep)
	}
	rep := r.do(http.MethodGet, "/api/InstanceInfo?tenant=", "")
	var got map[string]string
	if err := json.Unmarshal([]byte(rep.body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"app_name": "Halo PSA", "app_version": "2.250.1", "database_version": "2250",
		"agent_url": r.URL(), "auth_url": r.AuthServer(), "tenant_id": "",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSave(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(Client{ID: 5, Name: "Five", Ref: "C5", Website: "https://five.example"}, Client{ID: 6, Name: "Six"})
	r.tenant.Delete(6)
	post := func(body string) reply {
		t.Helper()
		return r.do(http.MethodPost, "/api/Client", body, "Authorization", "Bearer "+r.token, "Content-Type", "Application/JSON")
	}
	detail := func(rep reply) (got struct {
		ID       int64 `json:"id"`
		Name     string
		Inactive bool
		TopLevel int64 `json:"toplevel_id"`
	}) {
		t.Helper()
		if err := json.Unmarshal([]byte(rep.body), &got); err != nil || rep.status != 201 {
			t.Fatalf("%v: %+v", err, rep)
		}
		return got
	}

	if got := detail(post(`[{"name":"New","toplevel_id":"2","is_vip":true,"inactive":false}]`)); got.ID != 7 || got.Name != "New" || got.TopLevel != 2 {
		t.Errorf("added: %+v", got)
	}
	for _, id := range []string{"5", `"5"`, "5.0"} {
		if got := detail(post(`[{"id":` + id + `,"inactive":true,"name":"Five ` + strings.Trim(id, `"`) + `"}]`)); got.ID != 5 || !got.Inactive {
			t.Errorf("changed: %+v", got)
		}
	}
	if c, _ := r.tenant.Get(5); c.Name != "Five 5.0" || c.Ref != "C5" || c.Website == "" || c.Updated.IsZero() {
		t.Errorf("absent keys were changed: %+v", c)
	}
	for body, want := range map[string]int{
		`{"name":"no array"}`: 400, `[]`: 400, `[1]`: 400, `[{"id":"x"}]`: 400, `[{"name":1}]`: 400, ``: 400, `[{"id":99}]`: 404, `[{"id":6}]`: 404,
	} {
		if rep := post(body); rep.status != want {
			t.Errorf("%s: got %+v", body, rep)
		}
	}
	if rep := r.do(http.MethodPost, "/api/Client", `[{}]`, "Authorization", "Bearer "+r.token, "Content-Type", "text/plain"); rep.status != 415 {
		t.Errorf("other content type: %+v", rep)
	}

	remove := func(id string) reply {
		return r.do(http.MethodDelete, "/api/Client/"+id, "", "Authorization", "Bearer "+r.token)
	}
	if rep := remove("5"); rep.status != 200 || !strings.Contains(rep.body, `{"id":5,"name":"Five 5.0"`) {
		t.Errorf("deleted: %+v", rep)
	}
	for id, want := range map[string]int{"5": 404, "99": 404, "x": 400} {
		if rep := remove(id); rep.status != want {
			t.Errorf("%s: got %+v", id, rep)
		}
	}
	r.SetProfile(func(p *Profile) { p.DeletedStatus = 200 })
	if rep := remove("5"); rep.status != 404 {
		t.Errorf("deleted again: %+v", rep)
	}
	if got := r.tenant.IDs(); !cmp.Equal(got, []int64{7}) {
		t.Errorf("left: %v", got)
	}
}
