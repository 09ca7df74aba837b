package halotest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const plainRow = `{"id":12,"name":"A \"B\" <C> & Döner\u000a","toplevel_id":3,"toplevel_name":"Customers","inactive":false,"is_vip":true,` +
	`"is_account":false,"stopped":0,"taxable":true,"customertype":0,"table":2,"use":"client","key":12,"main_site_id":29,` +
	`"accountsid":"ACC-9","itglue_id":"","dbc_company_id":"","cautomateid":0,"xero_tenant_id":"","snow_id":0,` +
	`"client_to_invoice":0,"client_to_invoice_recurring":0,"excludefrominvoicesync":false,` +
	`"invoiceduedaysextraclient":-1,"clientcurrency":"","default_currency_code":0,` +
	`"item_tax_code":0,"service_tax_code":0,"prepay_tax_code":0,"contract_tax_code":0,` +
	`"confirmemail":1,"actionemail":1,"clearemail":1,"mailbox_override":0,"default_mailbox_id":0,"messagegroup_id":-1,` +
	`"accountmanagertech":0,"pritech":0,"sectech":0,"customer_relationship_list":"",` +
	`"customer_relationship":[{"id":"1","name":"Customer"}],"calldate":"2026-10-03T06:24:10.967","colour":"#f5b700","logo":""`

func example() Client {
	return Client{
		ID: 12, Name: "A \"B\" <C> & Döner\n", TopLevelID: 3, TopLevelName: "Customers", VIP: true,
		Created: time.Date(2026, 10, 3, 6, 24, 10, 967_000_000, time.UTC), Domain: "a.example",
		Website: "https://a.example", Notes: "note", AccountsID: "ACC-9",
	}
}

func TestRow(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(example())
	for query, want := range map[string]string{
		"":                     plainRow + "}",
		"includenotes=true":    plainRow + `,"notes":"note"}`,
		"include_website=true": plainRow + `,"website":"https://a.example"}`,
		"includedetails=true":  plainRow + "}", // applies to the detail, not to the list
		"idonly=true":          `{"id":12}`,
	} {
		for range 2 { // the second row comes from the cache
			if d := cmp.Diff(`{"record_count":1,"clients":[`+want+`]}`, r.get("/api/Client?"+query).body); d != "" {
				t.Errorf("%s: %s", query, d)
			}
		}
	}
	if got := r.get("/api/Client?pageinate=true&page_size=1&idonly=true").body; !strings.Contains(got, `"name"`) {
		t.Errorf("idonly together with paging: %s", got)
	}
}

// Keys whose value is null are omitted, so rows differ in their keys.
func TestRowWithoutNulls(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(
		Client{ID: 3, Name: "", MainSiteID: -1},
		Client{ID: 4, Name: "x", TopLevelID: 1, TopLevelName: "t", Ref: "r", Phone: "p", Email: "e", Notes: "n", Website: "w"},
	)
	var l struct {
		Clients []map[string]any `json:"clients"`
	}
	if err := json.Unmarshal([]byte(r.get("/api/Client?order=id&includenotes=true&include_website=true").body), &l); err != nil {
		t.Fatal(err)
	}
	some := []string{"accountsemailaddress", "main_phonenumber", "main_site_id", "notes", "ref", "toplevel_id", "toplevel_name", "website"}
	for _, key := range some {
		if _, ok := l.Clients[0][key]; ok {
			t.Errorf("%s is present without a value", key)
		}
		if _, ok := l.Clients[1][key]; !ok {
			t.Errorf("%s is missing", key)
		}
	}
	if l.Clients[0]["calldate"] != nil || l.Clients[1]["calldate"] != "1900-01-01T00:00:00" {
		t.Errorf("unknown dates: %v, %v", l.Clients[0]["calldate"], l.Clients[1]["calldate"])
	}
	for i, row := range l.Clients {
		for _, key := range []string{"datecreated", "alastupdate", "domain", "main_contact_name", "customfields"} {
			if _, ok := row[key]; ok {
				t.Errorf("row %d has %s, which only the detail has", i, key)
			}
		}
		for key, v := range row {
			if v == nil {
				t.Errorf("row %d: %s is null", i, key)
			}
		}
	}
}

func TestIDForms(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(example())
	for form, want := range map[IDForm]string{IDInt: "12 3", IDFloat: "12.0 3.0", IDString: `"12" "3"`} {
		r.SetProfile(func(p *Profile) { p.IDs = form })
		for _, path := range []string{"/api/Client", "/api/Client/12"} {
			body := r.get(path).body
			id, top, _ := strings.Cut(want, " ")
			if !strings.Contains(body, `{"id":`+id+`,"name"`) || !strings.Contains(body, `"toplevel_id":`+top+`,`) {
				t.Errorf("%s: want ids as %s: %s", path, want, body)
			}
		}
		if body := r.get("/api/Client?idonly=true").body; !strings.Contains(body, `[{"id":`+strings.Fields(want)[0]+`}]`) {
			t.Errorf("ids only: %s", body)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 10, 3, 6, 24, 10, 0, time.UTC)
	for nanos, want := range map[int]string{
		0:           "2026-10-03T06:24:10",
		900_000_000: "2026-10-03T06:24:10.9",
		290_000_000: "2026-10-03T06:24:10.29",
		967_000_000: "2026-10-03T06:24:10.967",
		123_456_700: "2026-10-03T06:24:10.1234567",
		123_456_789: "2026-10-03T06:24:10.1234567",
		100:         "2026-10-03T06:24:10.0000001",
		99:          "2026-10-03T06:24:10",
	} {
		at := base.Add(time.Duration(nanos)).In(time.FixedZone("", 3600))
		if got := string(appendTime(nil, "d", at, 1)); got != `,"d":"`+want+`"` {
			t.Errorf("%d ns: %s", nanos, got)
		}
	}
	for id, want := range []string{"", `,"d":"1900-01-01T00:00:00"`, `,"d":"1899-12-30T00:00:00"`, `,"d":"0001-01-01T00:00:00"`} {
		if got := string(appendTime(nil, "d", time.Time{}, int64(id))); got != want {
			t.Errorf("none, id %d: %s", id, got)
		}
	}
}

func TestLogo(t *testing.T) {
	t.Parallel()
	r := newFixture(t, WithProfile(Profile{LogoEvery: 3, LogoBytes: 1000}))
	r.fill(7)
	var l struct {
		Clients []struct {
			ID   int64  `json:"id"`
			Logo string `json:"logo"`
		} `json:"clients"`
	}
	if err := json.Unmarshal([]byte(r.get("/api/Client").body), &l); err != nil {
		t.Fatal(err)
	}
	for _, c := range l.Clients {
		want := 0
		if c.ID%3 == 0 {
			want = 1000
		}
		if len(c.Logo) != want || want > 0 && !strings.HasPrefix(c.Logo, "data:image/png;base64,iVBOR") {
			t.Errorf("client %d: logo of %d bytes, want %d", c.ID, len(c.Logo), want)
		}
	}
}

func TestDetail(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	c := example()
	c.CustomFields = []CustomField{
		{ID: 1, Name: "CFA", Label: "A", Value: "text"}, {ID: 2, Name: "CFB", Value: 1.5}, {ID: 3, Name: "CFC", Value: true},
		{ID: 4, Name: "CFD", Value: []int{1}}, {ID: 5, Name: "CFE"},
	}
	r.tenant.Add(c)
	want := plainRow + `,"datecreated":"2026-10-03T06:24:10.967","website":"https://a.example","domain":"a.example","notes":"note",` +
		`"main_site_name":"Main","createdfrom_id":0,"trading_name":"","tax_number":"","isopportunity":0,"customfields":[` +
		`{"table":0,"id":1,"name":"CFA","label":"A","summary":"","type":0,"value":"text","display":"text"},` +
		`{"table":0,"id":2,"name":"CFB","label":"","summary":"","type":0,"value":1.5,"display":"1.5"},` +
		`{"table":0,"id":3,"name":"CFC","label":"","summary":"","type":0,"value":true,"display":"true"},` +
		`{"table":0,"id":4,"name":"CFD","label":"","summary":"","type":0,"value":[1],"display":"[1]"},` +
		`{"table":0,"id":5,"name":"CFE","label":"","summary":"","type":0,"display":""}]}`
	rep := r.get("/api/Client/12?includedetails=true")
	if rep.status != 200 || rep.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("got %+v", rep)
	}
	if d := cmp.Diff(want, rep.body); d != "" {
		t.Error(d)
	}
}

func TestDetailOutcomes(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(Client{ID: 1, Name: "Gone", Inactive: true}, Client{ID: 2, Name: "Deleted"})
	r.tenant.Delete(2)
	for path, want := range map[string]reply{
		"2":                      {status: 404},
		"3":                      {status: 404},
		"0":                      {status: 404},
		"-1":                     {status: 404},
		"me":                     {status: 401},
		"probe":                  {status: 400, body: `{"id":["The value 'probe' is not valid."]}`},
		"1.0":                    {status: 400, body: `{"id":["The value '1.0' is not valid."]}`},
		"99999999999999999999":   {status: 400, body: `{"id":["The value '99999999999999999999' is not valid."]}`},
		"%22":                    {status: 400, body: `{"id":["The value '\"' is not valid."]}`},
		"1?includedetails=maybe": {status: 200, body: "*"},
	} {
		got := r.get("/api/Client/" + path)
		if got.status != want.status || want.body != "*" && got.body != want.body {
			t.Errorf("%s: got %d %q, want %d %q", path, got.status, got.body, want.status, want.body)
		}
	}
	if body := r.get("/api/Client/1").body; !strings.Contains(body, `"inactive":true`) {
		t.Errorf("inactive: %s", body)
	}
	if rep := r.do(http.MethodGet, "/api/Client/probe", ""); rep.status != 401 {
		t.Errorf("parameters were checked before the token: %+v", rep)
	}
}

func TestRaw(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(Client{ID: 1, Raw: `{"id":null}`}, Client{ID: 2, Raw: `"row"`})
	if got := r.get("/api/Client?order=id").body; got != `{"record_count":2,"clients":[{"id":null},"row"]}` {
		t.Error(got)
	}
	if got := r.get("/api/Client/2").body; got != `"row"` {
		t.Error(got)
	}
}

// The detail has every key of the row, with the same value.
func TestDetailContainsRow(t *testing.T) {
	t.Parallel()
	h := New()
	h.Tenant("").Seed(500, 3)
	p := complete(Profile{})
	for _, e := range h.Tenant("").all {
		var row, whole map[string]any
		if err := json.Unmarshal(append(e.appendLogo(e.appendRow(nil, IDInt, true), p), '}'), &row); err != nil {
			t.Fatalf("%q: %v", e.Name, err)
		}
		if err := json.Unmarshal(e.appendDetail(nil, p), &whole); err != nil {
			t.Fatalf("%q: %v", e.Name, err)
		}
		maps.DeleteFunc(whole, func(k string, _ any) bool { return !slices.Contains(slices.Collect(maps.Keys(row)), k) })
		if d := cmp.Diff(row, whole); d != "" {
			t.Fatalf("%q: %s", e.Name, d)
		}
	}
}
