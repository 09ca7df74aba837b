package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo"
)

// A caller connects, browses, imports, reads the run and its results, unmaps, restores and
// undoes the run.
func TestJourney(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.do("POST", "/connections", map[string]any{
		"name": "second", "domain": w.sim.ResourceServer(), "auth_server": w.sim.AuthServer(), "client_id": testApp, "client_secret": testSecret,
	}).want(http.StatusCreated)
	w.mustNotHold("the new connection", made)
	if got := made.header.Get("Location"); got != Prefix+"/connections/"+made.text("id") {
		t.Errorf("location %q", got)
	}
	if n := len(w.do("GET", "/connections", nil).want(200).items()); n != 2 {
		t.Errorf("%d connections", n)
	}
	clients := w.do("GET", "/connections/halo/clients?page=2&page_size=50", nil).want(200)
	if n := len(clients.field("clients").([]any)); n != 50 || clients.text("record_count") == "0" {
		t.Errorf("%d clients of %s", n, clients.text("record_count"))
	}

	run := w.imported(3)
	shown := w.do("GET", "/runs/"+run, nil).want(200)
	if shown.text("state") != "succeeded" || shown.text("created") != "3" {
		t.Fatalf("run: %s", shown.body)
	}
	first := w.do("GET", "/mappings?limit=2", nil).want(200)
	rest := w.do("GET", "/mappings?limit=2&after="+first.text("next"), nil).want(200)
	if len(first.items()) != 2 || len(rest.items()) != 1 || rest.field("next") != nil {
		t.Errorf("pages: %s %s", first.body, rest.body)
	}
	mapping, _ := first.items()[0].(map[string]any)["id"].(string)
	if got := w.do("DELETE", "/mappings/"+mapping, nil).want(200).text("outcome"); got != string(repo.Unmapped) {
		t.Errorf("deleted: %s", got)
	}
	if n := len(w.do("GET", "/companies?unmapped=true", nil).want(200).items()); n != 1 {
		t.Errorf("%d unmapped companies", n)
	}
	back := w.do("POST", "/mappings/restore", map[string]any{"ids": []string{mapping}}).want(200)
	if got := back.items()[0].(map[string]any)["outcome"]; got != string(repo.Restored) {
		t.Errorf("restored: %s", back.body)
	}
	undone := w.do("POST", "/runs/"+run+"/undo", nil).want(200)
	if undone.text("unmapped") != "2" || undone.text("left_count") == "0" { // the restore counts as a change by a person
		t.Errorf("undone: %s", undone.body)
	}
	if n := len(w.do("GET", "/events?run="+run, nil).want(200).items()); n == 0 {
		t.Error("no events of the run")
	}
}

// If Halo fails, the error tells the caller what to do.
func TestHaloFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		fault  halotest.Fault
		status int
		says   string
	}{
		"502":       {halotest.Status(502, "<html>bad gateway"), http.StatusBadGateway, "try again"},
		"no answer": {halotest.Reset(), http.StatusGatewayTimeout, "can be reached"},
		"throttled": {halotest.Throttle(7e9), http.StatusTooManyRequests, "wait a few minutes"},
		"HTML":      {halotest.HTML200(), http.StatusBadGateway, "addresses"},
		"no right":  {halotest.Status(403, ""), http.StatusBadGateway, "read customers"},
		"not Halo":  {halotest.Status(404, ""), http.StatusBadGateway, "authorisation server"},
	} {
		w.sim.Fault(halotest.Rule{Times: halotest.Forever}, tt.fault)
		for _, path := range []string{"GET /connections/halo/clients", "POST /connections/halo/test"} {
			method, path, _ := strings.Cut(path, " ")
			got := w.do(method, path, nil)
			if got.status != tt.status || !strings.Contains(got.text("detail"), tt.says) && method == "GET" {
				t.Errorf("%s: %s: %d %s, want %d", name, path, got.status, got.body, tt.status)
			}
			if tt.status == http.StatusTooManyRequests && got.header.Get("Retry-After") != "7" {
				t.Errorf("retry after %q", got.header.Get("Retry-After"))
			}
		}
		w.sim.ClearFaults()
	}
	// Refused credentials lead to 422 if the caller sent them and to 502 if they are stored.
	bad := map[string]any{"name": "bad", "domain": w.sim.ResourceServer(), "auth_server": w.sim.AuthServer(), "client_id": testApp, "client_secret": "wrong"}
	if got := w.do("POST", "/connections", bad).want(422); !strings.Contains(got.text("detail"), "check client ID") {
		t.Error(got.body)
	}
	w.sim.Tenant("").App(testApp, "rotated")
	w.do("POST", "/connections/halo/test", nil).want(http.StatusBadGateway)
	w.do("GET", "/connections/halo/clients", nil).want(http.StatusBadGateway)
}

// An error names the location in the request but does not quote the value.
func TestWrongRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"unknown field":     {"POST", "/companies", `{"name":"x","nome":"y"}`, 422, "body.nome"},
		"field twice":       {"POST", "/companies", `{"name":"x","name":"y"}`, 400, "duplicate"},
		"other case":        {"POST", "/companies", `{"Name":"x"}`, 422, ""},
		"wrong type":        {"POST", "/companies", `{"name":1}`, 422, "body.name"},
		"null":              {"PATCH", "/connections/halo", `{"name":null}`, 400, "/name"},
		"no body":           {"POST", "/companies", ``, 400, "required"},
		"no JSON":           {"POST", "/companies", `{"name":`, 400, "body"},
		"two documents":     {"POST", "/companies", `{"name":"x"}{}`, 400, "body"},
		"unknown parameter": {"GET", "/companies?nome=1", "", 422, "query.nome"},
		"limit":             {"GET", "/companies?limit=201", "", 422, "query.limit"},
		"cursor":            {"GET", "/companies?after=x", "", 422, "query.after"},
		"another's cursor":  {"GET", "/companies?after=" + cursor("mappings", w.conn.ID.String()), "", 422, "query.after"},
		"enum":              {"GET", "/mappings?state=good", "", 422, "query.state"},
		"run id":            {"GET", "/runs/1", "", 422, "path.run"},
		"huge number":       {"POST", "/imports", `{"connection":"halo","client_ids":[1e300]}`, 422, "client_ids"},
		"secret as number":  {"POST", "/connections", `{"name":"x","client_secret":4711471147114711}`, 422, "client_secret"},
		"nobody's path":     {"GET", "/nothing", "", 404, "openapi.json"},
		"nobody's method":   {"DELETE", "/companies", "", 405, "GET"},
		"confirm":           {"DELETE", "/connections/halo", "", 422, "query.confirm"},
		"two ways":          {"POST", "/imports", `{"connection":"halo","all":true,"search":"x"}`, 422, "one of"},
	} {
		got := w.do(tt.method, tt.path, tt.body).want(tt.status)
		if !strings.Contains(got.body, tt.says) || strings.Contains(got.body, "4711") || strings.Contains(got.body, `"value"`) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	big := `{"name":"` + strings.Repeat("x", maxBody) + `"}`
	w.do("POST", "/companies", big).want(http.StatusRequestEntityTooLarge)
	w.do("POST", "/companies", `{"name":"x"}`, "Content-Type", "text/plain").want(http.StatusUnsupportedMediaType)
	secretly := `{"name":"x","client_secret":"` + testSecret + `","` + testSecret[:6] + `":1}`
	w.mustNotHold("a refusal", w.do("POST", "/connections", secretly).want(422))
	w.mustNotHold("a refusal", w.do("POST", "/connections", secretly[:len(secretly)-1]).want(400))
}

// A body is accepted as JSON regardless of the case and parameters of its content type, and
// with a byte order mark. A whole number may have any JSON spelling.
func TestSpellingsOfBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, kind := range []string{
		"APPLICATION/JSON", "Application/Json; Charset=UTF-8", "application/json;charset=utf-8", "application/json;", "application/json; charset", `application/json; profile="x;y"`, " application/json",
	} {
		w.do("POST", "/companies", `{"name":"x"}`, "Content-Type", kind).want(http.StatusCreated)
	}
	for _, kind := range []string{"text/plain; x=application/json", "application/jsonp", "application/json-seq", "json", "application/xml"} {
		w.do("POST", "/companies", `{"name":"x"}`, "Content-Type", kind).want(http.StatusUnsupportedMediaType)
	}
	w.do("POST", "/companies", "\ufeff"+`{"name":"x"}`).want(http.StatusCreated)

	for _, number := range []string{"13", "13.0", "1.3e1", "130e-1", "13.000000", "1.3E+1"} {
		got := w.do("POST", "/imports", `{"connection":"halo","client_ids":[`+number+`],"dry_run":true}`).want(http.StatusAccepted)
		if first := w.do("POST", "/imports", `{"connection":"halo","client_ids":[13],"dry_run":true}`).want(http.StatusAccepted); got.text("run_id") != first.text("run_id") {
			t.Errorf("%s is not 13: %s", number, got.body)
		}
	}
	w.do("POST", "/mappings", `{"connection":"halo","pairs":[{"company":"x","client_id":1.3e1}]}`).want(http.StatusAccepted)
	for _, number := range []string{"13.5", "1e-1", `"13"`, "true", "null", "0.0", "-13.0", "9007199254740992", "9007199254740993.0", "1e999", "13.", "0x0d"} {
		if got := w.do("POST", "/imports", `{"connection":"halo","client_ids":[`+number+`]}`); got.status != 422 && got.status != 400 {
			t.Errorf("%s: %d %s", number, got.status, got.body)
		}
	}
}

// The response to an internal error contains only the id of the log entry.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store = nil // makes the handler panic
	got := w.do("GET", "/connections", nil).want(500)
	if instance := got.text("instance"); !strings.HasPrefix(instance, "urn:uuid:") || strings.Contains(got.body, "nil pointer") {
		t.Errorf("told: %s", got.body)
	} else if last := w.log.FilterMessage("request failed").All(); len(last) != 1 || !strings.Contains(instance, last[0].ContextMap()["id"].(string)) {
		t.Errorf("logged: %v", last)
	}
}

// Requests without a principal, or with a scope that is too small, are refused.
func TestScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	below := map[access.Scope]access.Scope{access.Read: "", access.Write: access.Read, access.Admin: access.Write}
	for _, o := range w.operations() {
		r := w.request(o.method, o.filled(w.conn.ID.String()), nil)
		for _, p := range []access.Principal{{Tenant: "acme", Scope: below[o.scope]}, {Tenant: "acme"}} {
			if got := w.as(p, r).want(http.StatusForbidden); !strings.Contains(got.text("detail"), string(o.scope)) {
				t.Errorf("%s: %s", o.id, got.body)
			}
		}
		rec := serve(w.Handler, r)
		if rec.Code != http.StatusUnauthorized || rec.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s without a principal: %d %s", o.id, rec.Code, rec.Body)
		}
	}
}

// Ids of another tenant's data get the same answer as unknown ids.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.imported(2)
	mapping, _ := w.do("GET", "/mappings", nil).want(200).items()[0].(map[string]any)["id"].(string)
	company, _ := w.do("GET", "/companies", nil).want(200).items()[0].(map[string]any)["id"].(string)
	eve := access.Principal{Tenant: "globex", Actor: "key:eve", Scope: access.Admin}
	before := w.dump()
	bodies := map[string]any{
		"update-connection":   map[string]any{"name": "stolen"},
		"set-schedule":        map[string]any{"schedule": "@daily"},
		"dismiss-suggestions": map[string]any{"pairs": []any{map[string]any{"company": company, "client_id": 1}}},
		"import":              map[string]any{"connection": w.conn.ID, "all": true},
		"resync":              map[string]any{"connection": w.conn.ID},
		"map":                 map[string]any{"connection": w.conn.ID, "pairs": []any{map[string]any{"company": company, "client_id": 1}}},
	}
	tried := 0
	for _, o := range w.operations() {
		path := strings.NewReplacer("{connection}", w.conn.ID.String(), "{run}", run, "{mapping}", mapping).Replace(o.path)
		if o.id == "remove-connection" {
			path += "?confirm=true"
		}
		if _, named := bodies[o.id]; path == o.path && !named {
			continue
		}
		tried++
		got := w.as(eve, w.request(o.method, path, bodies[o.id])).want(http.StatusNotFound)
		if strings.Contains(got.body, "acme") || strings.Contains(got.body, `"halo"`) {
			t.Errorf("%s reveals data of acme: %s", o.id, got.body)
		}
	}
	for _, path := range []string{"/mappings?connection=halo", "/companies?connection=halo", "/runs?connection=" + w.conn.ID.String()} {
		w.as(eve, w.request("GET", path, nil)).want(http.StatusNotFound)
	}
	for _, path := range []string{"/connections", "/schedules", "/companies", "/mappings", "/mappings?deleted=true", "/runs", "/events", "/events?run=" + run, "/events?mapping=" + mapping} {
		if n := len(w.as(eve, w.request("GET", path, nil)).want(200).items()); n != 0 {
			t.Errorf("%s: %d items of another tenant", path, n)
		}
	}
	for _, path := range []string{"/mappings/delete", "/mappings/restore"} {
		got := w.as(eve, w.request("POST", path, map[string]any{"ids": []string{mapping}})).want(200)
		if outcome := got.items()[0].(map[string]any); outcome["outcome"] != string(repo.DoesNotExist) || outcome["company_id"] != nil {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if w.dump() != before {
		t.Error("a request of globex changed data of acme")
	}
	if tried < 20 {
		t.Errorf("only %d operations were tried with an id of another tenant", tried)
	}
}
