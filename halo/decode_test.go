package halo

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/halosync/halosync/internal/plaintext"
)

func TestDecodeListing(t *testing.T) {
	t.Parallel()
	acme := Client{ID: 12, Name: "Acme"}
	tests := []struct {
		name, body string
		want       listing
	}{
		{"envelope", `{"page_no":1,"page_size":100,"record_count":7,"clients":[{"id":12,"name":"Acme"}]}`, listing{clients: []Client{acme}, rows: 1, count: 7}},
		{"all fields", `{"record_count":1,"clients":[{"id":12,"name":"Acme","inactive":true,"toplevel_id":3,"toplevel_name":"Group","ref":"C-12","accountsid":"ACME01","logo":"data:…"}]}`,
			listing{clients: []Client{{12, "Acme", true, 3, "Group", "C-12", "ACME01"}}, rows: 1, count: 1}},
		{"keys that are numbers or nothing", `{"record_count":2,"clients":[{"id":12,"name":"Acme","ref":4711,"accountsid":null},{"id":13,"ref":" A\u0000 ","accountsid":[1]}]}`,
			listing{clients: []Client{{ID: 12, Name: "Acme", Ref: "4711"}, {ID: 13, Ref: "A"}}, rows: 2, count: 2}},
		{"bare array", `[{"id":12,"name":"Acme"}]`, listing{clients: []Client{acme}, rows: 1, count: -1}},
		{"byte order mark", "\xef\xbb\xbf" + `[{"id":12,"name":"Acme"}]`, listing{clients: []Client{acme}, rows: 1, count: -1}},
		{"empty", `{"record_count":0,"clients":[]}`, listing{count: 0}},
		{"count as float", `{"record_count":7.0,"clients":[]}`, listing{count: 7}},
		{"count as text", `{"record_count":"7","clients":[]}`, listing{count: 7}},
		{"count absent", `{"clients":[]}`, listing{count: -1}},
		{"count null", `{"record_count":null,"clients":[]}`, listing{count: -1}},
		{"count negative", `{"record_count":-3,"clients":[]}`, listing{count: -1}},
		{"count nonsense", `{"record_count":{"a":[1]},"clients":[]}`, listing{count: -1}},
		{"count below its own rows", `{"record_count":0,"clients":[{"id":12,"name":"Acme"}]}`, listing{clients: []Client{acme}, rows: 1, count: -1}},
		{"count after the rows", `{"clients":[{"id":12,"name":"Acme"}],"record_count":7}`, listing{clients: []Client{acme}, rows: 1, count: 7}},
		{"rows without an id", `{"record_count":9,"clients":[{"name":"x"},{"id":null},{"id":0},{"id":-1},{"id":"x"},{"id":1.5},{"id":1e300},{"id":[1]},{"id":12,"name":"Acme"}]}`,
			listing{clients: []Client{acme}, rows: 9, malformed: 8, count: 9}},
		{"rows that are no objects", `{"record_count":9,"clients":[null,5,"x",[1],{"id":12,"name":"Acme"}]}`,
			listing{clients: []Client{acme}, rows: 5, malformed: 4, count: 9}},
		{"the same id twice", `{"record_count":9,"clients":[{"id":12,"name":"Acme"},{"id":12.0,"name":"Again"}]}`, listing{clients: []Client{acme}, rows: 2, count: 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeListing([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			got.bytes = 0 // see TestPageTextIsBounded
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(listing{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeListingErrors(t *testing.T) {
	t.Parallel()
	rows := func(n int) string {
		return `[` + strings.Repeat(`{"id":1},`, n-1) + `{"id":1}]`
	}
	tests := []struct {
		name, body string
		kind       error // nil: ErrNotHalo
		text       string
	}{
		{"other object", `{"message":"hello"}`, nil, `JSON without "clients"`},
		{"clients null", `{"clients":null}`, nil, `JSON without "clients"`},
		{"clients not an array", `{"clients":"none"}`, nil, "JSON of an unexpected shape"},
		{"clients an object", `{"clients":{"id":1}}`, nil, "JSON of an unexpected shape"},
		{"a number", `17`, nil, "JSON of an unexpected shape"},
		{"null", `null`, nil, "JSON of an unexpected shape"},
		{"two lists", `{"clients":[{"id":1}],"clients":[{"id":2}]}`, nil, "JSON of an unexpected shape"},
		{"deep", strings.Repeat("[", 100_000), nil, "not JSON"},
		{"deep in a row", `{"clients":[{"id":1,"x":` + strings.Repeat("[", 100_000), nil, "not JSON"},
		{"UTF-16", "\xff\xfe{\x00}\x00", nil, "not JSON"},
		{"nothing", "", nil, "empty answer"},
		{"blanks", " \n", nil, "empty answer"},
		{"HTML", " <html></html>", nil, "HTML where JSON was expected"},
		{"text", "hello", nil, "not JSON"},
		{"two documents", `{"clients":[]} {}`, nil, "not JSON"},
		{"breaks off", `{"record_count":5,"clients":[{"id":1},{"i`, ErrUnavailable, "answer broke off after 41 bytes"},
		{"array breaks off", `[{"id":1}`, ErrUnavailable, "answer broke off after 9 bytes"},
		{"too many rows", rows(maxRows + 1), ErrTooLarge, "page of more than 10000 rows"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeListing([]byte(tt.body))
			if err == nil {
				t.Fatal("no error")
			}
			e, typed := errors.AsType[*Error](err)
			if typed != (tt.kind != nil) || typed && !errors.Is(err, tt.kind) {
				t.Fatalf("error %v, want kind %v", err, tt.kind)
			}
			if typed {
				err = e.cause
			}
			if err.Error() != tt.text {
				t.Errorf("error %q, want %q", err, tt.text)
			}
		})
	}
	if _, err := decodeListing([]byte(rows(maxRows))); err != nil {
		t.Errorf("%d rows: %v", maxRows, err)
	}
}

func TestDecodeClient(t *testing.T) {
	t.Parallel()
	want := Client{ID: 12, Name: "Acme"}
	for _, body := range []string{`{"id":12,"name":"Acme"}`, `{"id":"12","name":"Acme","customfields":[{"value":[1,{}]}]}`, ` [{"id":12.0,"name":"Acme"}]`} {
		if got, err := decodeClient([]byte(body)); err != nil || got != want {
			t.Errorf("%s: %+v, error %v", body, got, err)
		}
	}
	for _, body := range []string{``, `null`, `{}`, `[]`, `[{}]`, `[5]`, `5`, `"x"`, `[{"id":12},{"id":13}]`, `{"id":0}`, `<p>`, `{"clients":[]}`} {
		if got, err := decodeClient([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %+v", body, got)
		}
	}
}

func TestLenientTypes(t *testing.T) {
	t.Parallel()
	ids := map[string]int64{
		`12`: 12, `12.0`: 12, `"12"`: 12, `"12.0"`: 12, `1.2e1`: 12, `9007199254740992`: 1 << 53,
		`9007199254740993`: 0, `0`: 0, `-1`: 0, `12.5`: 0, `"x"`: 0, `""`: 0, `null`: 0, `true`: 0, `{}`: 0, `[12]`: 0, `1e99`: 0, `"NaN"`: 0, `"Inf"`: 0,
	}
	for in, want := range ids {
		if got := idOf([]byte(in)); got != want {
			t.Errorf("id %s: %d, want %d", in, got, want)
		}
	}
	flags := map[string]bool{
		`true`: true, `1`: true, `"true"`: true, `"True"`: true, `"1"`: true, `2`: true, `1.0`: true,
		`false`: false, `0`: false, `"false"`: false, `"0"`: false, `null`: false, `""`: false, `{}`: false, `"x"`: false,
	}
	for in, want := range flags {
		if got := flagOf([]byte(in)); got != want {
			t.Errorf("flag %s: %t", in, got)
		}
	}
	long := strings.Repeat("ä", maxText)
	names := map[string]string{
		`"Acme"`: "Acme", `"  Acme \t"`: "Acme", `"Büro \"Süd\" 東京 🏢"`: `Büro "Süd" 東京 🏢`,
		`"A\u0000B\u0007C\u001f"`: "ABC", "\"A\x00B\x7f\"": "AB", "\"A\xffB\"": "AB", "\"A\xff\\tB\"": "A B",
		`"\ud83c\udfe2"`: "🏢", `"\\"`: `\`, `""`: "",
		`12`: "12", `-1.5`: "-1.5", `null`: "", `true`: "", `{}`: "", `["x"]`: "",
		`"` + long + `x"`: long, `"` + long + `"`: long,
	}
	for in, want := range names {
		if got := textOf([]byte(in)); got != want {
			t.Errorf("name %s: %q, want %q", in, got, want)
		}
	}
}

// checkClient checks the properties that every client must have, regardless of
// the server's answer.
func checkClient(t *testing.T, c Client) {
	t.Helper()
	if c.ID < 1 || c.ID > maxID || c.TopLevelID < 0 || c.TopLevelID > maxID {
		t.Errorf("ids out of range: %+v", c)
	}
	for _, s := range []string{c.Name, c.TopLevelName, c.Ref, c.AccountsID} {
		if plaintext.Check(s) != nil || utf8.RuneCountInString(s) > maxText || strings.TrimSpace(s) != s {
			t.Errorf("text %q", s)
		}
	}
}

func FuzzDecodeListing(f *testing.F) {
	for _, seed := range []string{
		`{"page_no":1,"page_size":100,"record_count":2,"clients":[{"id":1,"name":"Unknown"},{"id":12.0,"name":"B\u0000","inactive":1,"toplevel_id":"3"}]}`,
		`[{"id":"7"},null,5]`, "\xef\xbb\xbf[]", `{"clients":{}}`, `{"clients":[[[[`, "<html>", `{"record_count":1e400,"clients":[]}`,
		`{"clients":[{"id":1}],"clients":[{"name":"x"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := decodeListing(body)
		if err != nil {
			return
		}
		if l.count < unknownCount || len(l.clients)+l.malformed > l.rows {
			t.Errorf("counts: %d clients, %+v", len(l.clients), l)
		}
		for _, c := range l.clients {
			checkClient(t, c)
		}
	})
}

func FuzzDecodeClient(f *testing.F) {
	for _, seed := range []string{`{"id":1,"name":"x"}`, `[{"id":1}]`, `[]`, `null`, `{"id":1,"name":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, err := decodeClient(body); err == nil {
			checkClient(t, c)
		}
	})
}
