package engine_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// setting is one value of one switch of the simulated Halo, as JSON. All other switches
// have their default.
type setting struct{ name, value string }

func (s setting) String() string { return s.name + " " + s.value }

// profile returns the simulated Halo with this setting.
func (s setting) profile(t *testing.T) (p halotest.Profile) {
	t.Helper()
	if err := json.Unmarshal(fmt.Appendf(nil, `{%q: %s}`, s.name, s.value), &p); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return p
}

// numbers lists the tested values of the switches that are neither flags nor enumerations.
var numbers = map[string][]string{
	"PageCap":   {"37", "10", "-1"},
	"LogoEvery": {"3"}, "LogoBytes": {"20000"},
	"DeletedStatus": {"200", "400", "401", "404", "410", "500"},
	"TokenLifetime": {"5000000000", "300000000000"}, "TokenDies": {"5000000000"}, "TokenUses": {"12"},
	"RateLimit": {"-1", "400"}, "RateWindow": {"1000000000"}, "RateAlso": {"[]", `[{"Limit": 400, "Window": 60000000000}]`},
	"Latency": {"1000000"},
}

// settings returns every setting of every switch. A new switch of a numeric type needs test
// values in the variable numbers.
func settings(t *testing.T) (all []setting) {
	t.Helper()
	enums := enumerations(t)
	fields := reflect.TypeFor[halotest.Profile]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		switch values := numbers[f.Name]; {
		case f.Type.Kind() == reflect.Bool:
			all = append(all, setting{f.Name, "false"}, setting{f.Name, "true"})
		case enums[f.Type.Name()] > 0:
			for value := range enums[f.Type.Name()] {
				all = append(all, setting{f.Name, fmt.Sprint(value)})
			}
		case len(values) > 0:
			for _, value := range values {
				all = append(all, setting{f.Name, value})
			}
		default:
			t.Errorf("the switch %s has no values to test", f.Name)
		}
	}
	return all
}

// enumerations returns the number of constants of each enumeration in package halotest.
func enumerations(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob("../../halo/halotest/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("sources of halotest: %v, %v", files, err)
	}
	numbers := map[string]int{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			first := group.Specs[0].(*ast.ValueSpec)
			name, ok := first.Type.(*ast.Ident)
			if ok && len(first.Values) == 1 {
				if value, ok := first.Values[0].(*ast.Ident); ok && value.Name == "iota" {
					numbers[name.Name] = len(group.Specs)
				}
			}
		}
	}
	return numbers
}

// incomplete lists the settings under which no import can be proved complete, because
// Halo says that it has more clients than it shows.
var incomplete = map[setting]bool{
	{"RecordCount", fmt.Sprint(int(halotest.CountTooLarge))}: true,
}

// With every setting of every switch, an import is complete only if it has every client,
// and a resync never marks a client as missing if the agent may read it. Unless Halo's
// count says otherwise, the import is complete and the resync finds every change.
func TestEverySetting(t *testing.T) {
	t.Parallel()
	all := settings(t)
	same := map[string][]setting{} // settings with the same profile, such as the default
	for _, s := range all {
		key := fmt.Sprintf("%+v", s.profile(t))
		same[key] = append(same[key], s)
	}
	t.Logf("%d settings, %d of them differ", len(all), len(same))
	if len(all) < 59 {
		t.Errorf("only %d settings", len(all))
	}
	var compared atomic.Int32
	t.Run("setting", func(t *testing.T) {
		for _, equal := range same {
			t.Run(equal[0].String(), func(t *testing.T) {
				t.Parallel()
				compareWithTruth(t, equal[0])
				compared.Add(int32(len(equal)))
			})
		}
	})
	if n := int(compared.Load()); n != len(all) {
		t.Errorf("%d of %d settings compared", n, len(all))
	}
}

const (
	hiddenClient = 14 // the agent loses the right to read it
	fewClients   = 14 // clients that the second connection maps
)

func compareWithTruth(t *testing.T, s setting) {
	w := newFixture(t, 0)
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = time.Millisecond })
	plainClients(w, 104)
	w.tenant.Add(halotest.Client{ID: proof.UnknownClientID, Name: "Unknown"}, halotest.Client{ID: 900, Name: "Closed", Inactive: true})
	whole, few := w.connect("whole", "c"), w.connect("few", "c")
	profile := s.profile(t)
	w.halo.SetProfile(func(p *halotest.Profile) { *p = profile })

	w.halo.Fault(halotest.Rule{Route: halotest.RouteList, Nth: 2}, halotest.Throttle(0)) // the run continues at its checkpoint
	imported := w.importAll(whole)
	if imported.Complete == incomplete[s] || len(w.mappings("whole")) != 104 {
		t.Errorf("import: %s, %d mappings: %s", counts(imported), len(w.mappings("whole")), imported.Error)
	}
	some := all(few)
	some.All = false
	for id := int64(2); id < fewClients+2; id++ {
		some.ClientIDs = append(some.ClientIDs, id)
	}
	if run := w.finish(job(some)); run.Created != fewClients {
		t.Errorf("import by id: %s: %s", counts(run), run.Error)
	}
	repotest.Exec(t, w.url, `update halosync.connections set clients_pages = 1000 where tenant = 'few'`) // so that the resync reads by id

	w.tenant.Rename(10, "Renamed")
	w.tenant.Deactivate(11)
	w.tenant.Delete(12)
	w.tenant.Delete(13)
	w.app.Rights(halotest.ReadSome(func(id int64) bool { return id != hiddenClient }))
	w.halo.Fault(halotest.Rule{Route: halotest.RouteList, Nth: 2}, halotest.Status(502, ""))
	for _, conn := range []repo.Connection{whole, few} {
		run := w.resync(conn)
		applied := run.State == repo.StateSucceeded || run.State == repo.StatePartial && run.Unverified > 0
		if applied == (incomplete[s] && conn.ID == whole.ID) {
			t.Errorf("resync of %s: %s: %s", conn.Tenant, counts(run), run.Error)
		}
		w.compare(conn.Tenant, applied)
	}
}

// compare compares the mappings of a tenant with Halo, after a resync. The parameter
// applied reports whether the resync applied its findings.
func (w *fixture) compare(tenant string, applied bool) {
	w.t.Helper()
	for _, m := range w.mappings(tenant) {
		c, exists := w.tenant.Get(m.ClientID)
		visible := exists && m.ClientID != hiddenClient
		want := repo.MappingOK
		if c.Inactive {
			want = repo.MappingInactive
		}
		switch {
		case visible && m.State == repo.MappingMissing:
			w.t.Errorf("%s: client %d is marked missing", tenant, m.ClientID)
		case !applied:
		case visible && (m.State != want || m.ClientName != c.Name):
			w.t.Errorf("%s: client %d is %q, %s; want %q, %s", tenant, m.ClientID, m.ClientName, m.State, c.Name, want)
		case !visible && m.State == repo.MappingOK:
			// If Halo still returns a deleted client by id, only a listing can reveal the
			// deletion.
			if tenant != "few" {
				w.t.Errorf("%s: client %d is not visible, but ok", tenant, m.ClientID)
			}
		}
	}
}
