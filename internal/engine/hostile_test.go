package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo"
)

// TestHostileHalos imports from malicious Halos and from a normal one at the same time.
// Each run ends in a clear state, stores only text that can be shown safely, and does
// not affect the normal Halo.
func TestHostileHalos(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 120)
	good := w.connect("good", "c")
	tests := []struct {
		name, body     string
		state          repo.RunState
		reason         string
		companies      int
		companiesNames string // joined names
	}{
		{"rows of nothing", `{"clients":[` + strings.Repeat("{},", 1<<20) + `{}]}`, repo.StateFailed, "page of more than 10000 rows", 0, ""},
		{"endless count", `{"record_count":9007199254740992,"clients":[{"id":5,"name":"x"}]}`, repo.StateFailed, "the list has 9007199254740992 clients, but the maximum is 2000000", 0, ""},
		{"count beyond a column", `{"record_count":4294967296,"clients":[{"id":5,"name":"x"}]}`, repo.StateFailed, "the maximum is 2000000", 0, ""},
		{"the same page for ever", `{"record_count":500,"clients":[{"id":5,"name":"x"}]}`, repo.StatePartial, "", 1, "x"},
		{"two lists", `{"clients":[{"id":5}],"clients":[{"id":6}]}`, repo.StateFailed, "JSON of an unexpected shape", 0, ""},
		{"deep", strings.Repeat("[", 100_000), repo.StateFailed, "not JSON", 0, ""},
		{"names", `{"record_count":4,"clients":[{"id":5,"name":"a\u0000\u202e\u009bb"},{"id":6,"name":"\u200b"},{"id":7,"name":"` +
			strings.Repeat("n", 100_000) + `"},{"id":9007199254740992,"name":"c\ud800","toplevel_name":"\u0000","ref":"\u0000"}]}`,
			repo.StatePartial, "1 client cannot be imported: has no name in Halo", 3, "ab|" + strings.Repeat("n", 1000) + "|c\ufffd"},
	}
	conns := make([]repo.Connection, len(tests))
	for i := range tests {
		name := fmt.Sprintf("evil%d", i)
		side := w.halo.Tenant(name)
		side.App(testApp, testSecret)
		side.Seed(3, 1)
		in := w.input("c")
		in.HaloTenant = name
		conn, err := w.engine.AddConnection(t.Context(), name, "test", in)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
		w.halo.Fault(halotest.Rule{Tenant: side, Route: halotest.RouteList, Times: halotest.Forever}, halotest.Status(200, tests[i].body))
	}

	var all sync.WaitGroup
	all.Go(func() {
		if run := w.importAll(good); run.State != repo.StateSucceeded || !run.Complete || run.Records != 120 {
			t.Errorf("the neighbour: %s", counts(run))
		}
	})
	for i, tt := range tests {
		all.Go(func() {
			run := w.importAll(conns[i])
			if run.State != tt.state || !strings.Contains(run.Error, tt.reason) || len(run.Error) > 1000 {
				t.Errorf("%s: %s, %.300s", tt.name, counts(run), run.Error)
			}
			var names []string
			for _, c := range w.companies(conns[i].Tenant) {
				if plaintext.Check(c.Name) != nil {
					t.Errorf("%s: stored %+.100q", tt.name, c.Name)
				}
				names = append(names, c.Name)
			}
			if len(names) != tt.companies || strings.Join(names, "|") != tt.companiesNames {
				t.Errorf("%s: companies %+.100q", tt.name, names)
			}
		})
	}
	all.Wait()
	if n := len(w.companies("good")); n < 100 {
		t.Errorf("the neighbour has %d companies", n)
	}
}

func TestPeoplesNamesAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	for name, want := range map[string]string{
		"a\u202eb":                "character 2, U+202E, is not allowed (changes the reading direction)",
		"a\x1b[2Jb":               "character 2, U+001B, is not allowed (a control character)",
		"a\xffb":                  "character 2 is not valid UTF-8",
		"\u3164":                  "character 1, U+3164, is not allowed (cannot be seen)",
		strings.Repeat("x", 1001): "want 1 to 1000 bytes",
	} {
		_, err := w.engine.AddCompanies(t.Context(), "t", "test", []string{"fine", name}, "")
		if err == nil || !strings.Contains(err.Error(), want) || plaintext.Printable(err.Error()) != err.Error() {
			t.Errorf("%+.40q: %v", name, err)
		}
	}
	if n := len(w.companies("t")); n != 0 {
		t.Errorf("%d companies, want all or none", n)
	}
	if _, err := w.engine.AddCompanies(t.Context(), "t", "test", []string{"می\u200cخواهم", "👩\u200d💻 Ltd"}, ""); err != nil {
		t.Errorf("names with joiners: %v", err)
	}
}
