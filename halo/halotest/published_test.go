package halotest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// exchange is a request that a published client sent to the simulator, and the
// values that the client reads from the answer, as "path type" pairs. A path
// includes all elements of an array. A question mark marks a key that may be absent.
type exchange struct {
	request string // method, path and query; {new} is the id of the client that the exchanges create
	body    string
	status  int
	reads   string
}

// The requests below are those that the clients sent when they were run,
// unchanged, against the simulator on 1 December 2026.
func TestPublishedClients(t *testing.T) {
	t.Parallel()
	const (
		page    = "page_no=2&page_size=100&pageinate=true"
		goPage  = "page_no=2&page_size=50&pageinate=true"
		discard = "" // the client reads nothing
	)
	for name, tt := range map[string]struct {
		scope, tenant string // of the token; no scope: the static key
		readsToken    string
		exchanges     []exchange
	}{
		// The HaloPSA node of n8n-nodes-base 2.41.2: its credential test, its load
		// options, and its operations for clients, sites and users.
		"n8n": {"admin edit:tickets edit:customers", "?tenant=", "access_token string", []exchange{
			{"GET /api/Client?" + page, "", 200, "record_count int clients.id int clients.name string"},
			{"GET /api/site?" + page, "", 200, "record_count int sites.id int sites.clientsite_name string"},
			{
				"GET /api/client?activeStatus=all&includeactive=true&includeinactive=true&" + page, "", 200,
				"record_count int clients.id int clients.name string clients.is_vip bool clients.notes? string clients.website? string",
			},
			{
				"GET /api/client?activeStatus=inactive&count=5&includeactive=false&includeinactive=true&search=a", "", 200,
				"clients.id int clients.name string",
			},
			{
				"POST /api/client", `[{"name":"From n8n","is_vip":true,"notes":"hello","website":"https://n8n.example"}]`, 201,
				"id int name string is_vip bool",
			},
			{"POST /api/client", `[{"id":"{new}","name":"Renamed","inactive":true}]`, 201, "id int name string inactive bool"},
			{"GET /api/client/{new}", "", 200, "id int name string notes string is_vip bool website string"},
			{"DELETE /api/client/{new}", "", 200, "id int"},
			{"GET /api/client/{new}", "", 404, discard},
			{"GET /api/client/x", "", 400, "id string"},
			{
				"GET /api/site?client_id=1&page_no=1&page_size=100&pageinate=true", "", 200,
				"record_count int sites.id int sites.name string sites.client_id number sites.phonenumber? string",
			},
			{
				"GET /api/users?activeStatus=all&includeactive=true&includeinactive=true&" + page, "", 200,
				"record_count int users.id int users.name string users.surname string users.site_id number users.emailaddress string users.inactive bool",
			},
			{"GET /api/users?count=3", "", 200, "users.id int"},
		}},
		// The library of Midtown-Technology-Group/halocli 0.5.0: discovery, the credential
		// test, lists, list_all, details and raw requests.
		"halocli": {"all", "", "access_token string expires_in int refresh_token string token_type string scope string", []exchange{
			{"GET /.well-known/openid-configuration", "", 404, discard},
			{"GET /auth/.well-known/openid-configuration", "", 200, "token_endpoint string grant_types_supported string"},
			{"GET /auth/token", "", 405, discard},
			{"GET /api/Agent/me", "", 200, "id int name string claims.type string claims.value string"},
			{"GET /api/Client?count=5", "", 200, "record_count int clients.id int clients.name string"},
			{"GET /api/Client?" + page, "", 200, "record_count int clients.id int clients.name string"},
			{"GET /api/Client?includeinactive=true&order=id&" + page, "", 200, "record_count int clients.id int"},
			{"GET /api/Client/1", "", 200, "id int name string datecreated string"},
			{"GET /api/Site?" + page, "", 200, "record_count int sites.id int sites.name string sites.client_name string"},
			{"GET /api/Users?" + page, "", 200, "record_count int users.id int users.client_name string users.emailaddress string"},
			{"GET /api/TopLevel?page_no=1&page_size=100&pageinate=true", "", 200, "record_count int tree.id int tree.name string"},
			{"GET /api/Report?page_no=1&page_size=100&pageinate=true", "", 200, "record_count int reports.id int reports.name string"},
			{"GET /api/Webhook?count=5", "", 200, discard}, // an empty array
			{"POST /api/Client", `[{"name":"From halocli"}]`, 201, "id int name string"},
			{"POST /api/Client", `[{"id":{new},"inactive":true}]`, 201, "inactive bool"},
			{"DELETE /api/Client/{new}", "", 200, "id int"},
			{"GET /api/Client/{new}", "", 404, discard},
			{
				"GET /api/Report/1?loadreport=true", "", 200,
				"report.loaded bool report.rows.aarea int report.rows.aareadesc string report.rows.aisinactive bool",
			},
			{"GET /api/InstanceInfo", "", 200, "app_version string"},
			{"GET /api/Client/probe", "", 400, "id string"},
			{"GET /api/Client/me", "", 401, discard},
			{"GET /api/Users/me", "", 404, discard},
		}},
		// bart-lute/halopsa-client-go (17 February 2026): GetClients and GetUsers.
		// Go does not decode a number with a fraction into an int, so the ids that this
		// client reads must be ints.
		"halopsa-client-go": {"", "", "", []exchange{
			{"GET /api/Client?includeinactive=true&order=id&" + goPage, "", 200, "page_no int page_size int record_count int " + goClient},
			{"GET /api/Client?includeinactive=false&search=a&" + goPage, "", 200, "page_no int page_size int record_count int " + goClient},
			{
				"GET /api/Users?includeinactive=true&" + goPage, "", 200,
				"page_no int page_size int record_count int users.id int users.client_id int users.client_name string users.colour string " +
					"users.firstname string users.inactive bool users.key int users.linked_agent_id int users.name string users.site_id number " +
					"users.site_id_int int users.table int users.use string",
			},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t)
			r.tenant.Seed(250, 1)
			r.tenant.App("app", "secret", WithAPIKey("static key"))
			ids := r.tenant.IDs()
			created := strconv.FormatInt(ids[len(ids)-1]+1, 10)
			auth := []string{"X-Halo-Api-Key", "static key"}
			if tt.scope != "" {
				rep := r.form("/auth/token"+tt.tenant, "client_id", "app", "client_secret", "secret", "grant_type", "client_credentials", "scope", tt.scope)
				found := read(t, name, rep, 200, tt.readsToken)
				auth = []string{"Authorization", "Bearer " + found["access_token"], "Content-Type", "application/json"}
			}
			for _, x := range tt.exchanges {
				method, path, _ := strings.Cut(strings.ReplaceAll(x.request, "{new}", created), " ")
				rep := r.do(method, path, strings.ReplaceAll(x.body, "{new}", created), auth...)
				read(t, x.request, rep, x.status, x.reads)
			}
		})
	}
}

const goClient = "clients.id int clients.name string clients.toplevel_id? int clients.toplevel_name? string clients.inactive bool " +
	"clients.colour string clients.confirmemail int clients.messagegroup_id int clients.calldate? string clients.use string clients.key int " +
	"clients.table int clients.logo string clients.accountsid string clients.excludefrominvoicesync bool clients.client_to_invoice int " +
	"clients.itglue_id string clients.cautomateid int clients.stopped int clients.customertype int clients.customer_relationship.id string " +
	"clients.ref? string clients.is_vip bool clients.taxable bool clients.is_account bool"

// read checks an answer for the values that a client reads, and returns the
// last value of each path.
func read(t *testing.T, what string, rep reply, status int, reads string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if rep.status != status {
		t.Errorf("%s: got %+v", what, rep)
		return found
	}
	var body any
	if d := json.NewDecoder(strings.NewReader(rep.body)); reads != "" {
		d.UseNumber()
		if err := d.Decode(&body); err != nil {
			t.Errorf("%s: %v in %s", what, err, rep.body)
		}
	}
	for pair := range slices.Chunk(strings.Fields(reads), 2) {
		if wrong := find(body, strings.Split(pair[0], "."), pair[1], found); wrong != "" {
			t.Errorf("%s: %s: %s, want %s", what, pair[0], wrong, pair[1])
		}
	}
	return found
}

// find returns what is wrong with the values at the end of path.
func find(v any, path []string, want string, found map[string]string) (wrong string) {
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			return "no elements"
		}
		for _, e := range list {
			if wrong := find(e, path, want, found); wrong != "" {
				return wrong
			}
		}
		return ""
	}
	if len(path) == 0 {
		if got := typeOf(v); got != want && (got != "int" || want != "number") {
			return got
		}
		return ""
	}
	key, optional := strings.CutSuffix(path[0], "?")
	object, _ := v.(map[string]any)
	next, ok := object[key]
	if !ok {
		if optional {
			return ""
		}
		return "absent"
	}
	found[key] = fmt.Sprint(next)
	return find(next, path[1:], want, found)
}

func typeOf(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case json.Number:
		if _, err := v.Int64(); err != nil {
			return "number"
		}
		return "int"
	}
	return fmt.Sprintf("%T", v)
}
