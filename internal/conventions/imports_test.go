package conventions

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// house lists the packages of this module that each package may import, with
// the reason. ARCHITECTURE.md has a diagram of this table.
var house = map[string]struct {
	may    []string
	reason string
}{
	"internal/access": {[]string{"internal/engine", "repo", "internal/plaintext", "internal/secret"}, "it authenticates requests; internal/worker connects the handlers behind it"},
	"internal/api": {
		[]string{"internal/access", "internal/bulkhead", "internal/engine", "internal/plaintext", "internal/problem", "internal/ratelimit", "internal/secret", "internal/view", "repo", "tasks"},
		"it translates between HTTP and the use cases",
	},
	"internal/queuemon":    {[]string{"internal/access", "internal/plaintext", "internal/redisurl"}, "asynqmon's pages read only the queue"},
	"tasks":                {[]string{"internal/plaintext", "internal/redisurl", "internal/sleep"}, "the product imports it, so it must not link the database or the engine"},
	"halo":                 {[]string{"internal/bulkhead", "internal/sleep", "internal/plaintext"}, "the client of Halo's API does not depend on how it is used"},
	"halo/halotest":        {[]string{"halo"}, "the simulator depends only on the API"},
	"repo":                 {[]string{"repo/schema", "repo/internal/scoped", "internal/plaintext", "internal/secret"}, "storage is independent of Halo and the queue"},
	"repo/schema":          {[]string{"repo/internal/scoped", "internal/names", "internal/secret"}, "it creates the tables, which repo reads and writes; some migrations normalise stored names or seal credentials again"},
	"repo/internal/scoped": {[]string{"internal/bulkhead"}, "it needs only Postgres"},
	"repo/repotest":        {[]string{"repo", "repo/schema", "internal/devstack", "internal/secret"}, "a test kit of repo"},
	"halo/proof":           {[]string{"halo"}, "it evaluates Halo's answers and stores nothing"},
	"internal/names":       {nil, "pure"},
	"internal/schedule":    {nil, "pure"},
	"internal/dial": {
		[]string{"halo", "halo/proof", "internal/bulkhead", "internal/ratelimit", "internal/secret", "repo", "tasks"},
		"it opens a handle on a connection's Halo",
	},
	"internal/dispatch": {[]string{"repo", "tasks"}, "it connects the ledger and the queue, for all use cases"},
	"internal/run":      {[]string{"halo", "halo/proof", "internal/bulkhead", "internal/dial", "internal/dispatch", "internal/ratelimit", "internal/secret", "repo", "tasks"}, "it executes runs of any kind"},
	"internal/listing": {
		[]string{"halo", "halo/proof", "internal/dial", "internal/names", "internal/ratelimit", "internal/run", "repo"},
		"code that import and resync share",
	},
	"internal/importer":  {[]string{"halo", "halo/proof", "internal/dial", "internal/listing", "internal/run", "repo", "tasks"}, "one use case, independent of the others"},
	"internal/mapper":    {[]string{"halo", "halo/proof", "internal/dial", "internal/listing", "internal/names", "internal/run", "repo", "tasks"}, "one use case, independent of the others"},
	"internal/resync":    {[]string{"halo", "halo/proof", "internal/dial", "internal/listing", "internal/ratelimit", "internal/run", "repo", "tasks"}, "one use case, independent of the others"},
	"internal/suggest":   {[]string{"halo", "halo/proof", "internal/bulkhead", "internal/dial", "internal/names", "internal/run", "repo", "tasks"}, "one use case, independent of the others"},
	"internal/scheduler": {[]string{"internal/sleep", "internal/dispatch", "internal/schedule", "internal/secret", "repo", "tasks"}, "scheduled work of the fleet"},
	"internal/engine": {
		[]string{
			"halo", "halo/proof", "internal/dial", "internal/dispatch", "internal/mapper", "internal/names", "internal/plaintext", "internal/ratelimit",
			"internal/schedule", "internal/secret", "repo", "tasks",
		},
		"it has the functions that interfaces call; internal/setup opens their parts",
	},
	"internal/engine/enginetest": {
		[]string{
			"halo", "internal/bulkhead", "internal/dial", "internal/dispatch", "internal/engine", "internal/importer", "internal/mapper", "internal/ratelimit",
			"internal/resync", "internal/run", "internal/scheduler", "internal/suggest", "repo", "tasks",
		},
		"a test kit of the use cases",
	},
	"internal/console":                 {[]string{"halo", "internal/access", "internal/engine", "internal/plaintext", "internal/problem", "internal/ratelimit", "internal/schedule", "internal/secret", "repo", "tasks"}, "it renders pages for the use cases, uses their error and request types, and opens no parts itself"},
	"internal/config":                  {[]string{"internal/secret", "internal/ratelimit"}, "it reads the environment into the types of these packages"},
	"internal/ratelimit":               {[]string{"internal/sleep"}, "it needs only Redis"},
	"internal/bulkhead":                {nil, "a leaf"},
	"internal/limits":                  {[]string{"internal/access", "internal/bulkhead"}, "it limits requests before any handler sees them"},
	"internal/redisurl":                {nil, "a leaf"},
	"internal/secret":                  {nil, "a leaf"},
	"internal/sleep":                   {nil, "a leaf"},
	"internal/telemetry":               {[]string{"internal/plaintext"}, "logs and metrics"},
	"internal/telemetry/telemetrytest": {nil, "a test kit that reads a worker's output"},
	"internal/traces":                  {nil, "a leaf"},
	"internal/plaintext":               {nil, "a leaf"},
	"internal/stdout":                  {nil, "a leaf"},
	"internal/tabular":                 {[]string{"tasks"}, "it reads files into the arguments of tasks"},
	"internal/doctor":                  {[]string{"internal/engine", "internal/problem", "internal/secret", "repo", "tasks"}, "it examines the parts of a worker and opens none itself"},
	"internal/devstack":                {nil, "a leaf"},
	"internal/devstack/redistest":      {[]string{"internal/devstack"}, "a test kit with Redis"},
	"internal/browsertest":             {[]string{"internal/devstack"}, "a test kit for any pages"},
	"internal/conventions":             {nil, "tests of the repository's files"},
	"internal/e2e":                     {nil, "tests of the programs as processes"},
	"internal/e2e/chaos":               {nil, "tests of the programs as processes"},
	"internal/e2e/journeys":            {nil, "tests of the programs as processes"},
	"internal/e2e/runbook":             {nil, "tests of the programs as processes"},
	"internal/e2e/installation": {
		[]string{"halo/halotest", "internal/devstack", "internal/secret", "repo", "repo/repotest", "tasks"},
		"a test kit that runs the programs and searches their output; it links none of their use cases",
	},
	"internal/demo":    {[]string{"halo/halotest", "internal/devstack"}, "it drives the programs from outside"},
	"internal/problem": {[]string{"halo", "internal/bulkhead", "internal/engine", "internal/plaintext", "internal/ratelimit", "internal/secret", "repo"}, "it explains the errors that these packages return to a person"},
	"internal/view":    {[]string{"internal/engine", "repo", "tasks"}, "JSON records of the use cases' results"},
	"internal/setup": {
		[]string{"halo", "tasks", "repo", "internal/bulkhead", "internal/config", "internal/dial", "internal/dispatch", "internal/engine", "internal/ratelimit", "internal/secret", "internal/traces"},
		"it opens the parts that both programs use",
	},
	"internal/worker": {
		[]string{
			"halo", "tasks", "repo", "repo/schema", "internal/access", "internal/api", "internal/bulkhead", "internal/config", "internal/console", "internal/doctor", "internal/engine",
			"internal/importer", "internal/limits", "internal/mapper", "internal/plaintext", "internal/queuemon", "internal/ratelimit", "internal/resync", "internal/run",
			"internal/schedule", "internal/scheduler", "internal/secret", "internal/setup", "internal/stdout", "internal/suggest", "internal/telemetry", "internal/traces",
		},
		"it connects all parts and imports no test kits",
	},
	"internal/cli": {
		[]string{"halo", "tasks", "repo", "internal/access", "internal/config", "internal/engine", "internal/plaintext", "internal/problem", "internal/ratelimit", "internal/schedule", "internal/secret", "internal/setup", "internal/stdout", "internal/tabular", "internal/traces", "internal/view"},
		"it has a command for each use case and imports no test kits",
	},
	"cmd/worker":  {[]string{"internal/worker"}, "main only calls the program"},
	"cmd/enqueue": {[]string{"internal/cli"}, "main only calls the program"},
}

// owners lists the only packages that may import a third-party module.
var owners = map[string][]string{
	"github.com/jackc/pgx":           {"repo", "repo/schema", "repo/internal/scoped", "repo/repotest"},
	"github.com/pressly/goose":       {"repo/schema"},
	"github.com/hibiken/asynq":       {"tasks"},
	"github.com/hibiken/asynqmon":    {"internal/queuemon", "internal/e2e/installation"},
	"google.golang.org/protobuf":     {"tasks"},
	"github.com/redis/go-redis":      {"tasks", "internal/redisurl", "internal/ratelimit", "internal/devstack/redistest", "internal/e2e/installation"},
	"github.com/robfig/cron":         {"internal/schedule", "internal/scheduler"},
	"github.com/tink-crypto":         {"internal/secret"},
	"golang.org/x/time":              {"internal/access", "internal/bulkhead", "internal/limits"},
	"github.com/golang-jwt/jwt":      {"internal/access"},
	"code.dny.dev/ssrf":              {"halo"},
	"github.com/go-json-experiment":  {"halo", "internal/access", "internal/api"},
	"github.com/danielgtaylor/huma":  {"internal/api"},
	"github.com/getkin/kin-openapi":  {}, // only tests
	"github.com/prometheus":          {"internal/telemetry"},
	"go.opentelemetry.io/otel":       {"internal/traces"},
	"go.opentelemetry.io/proto":      {}, // only tests
	"github.com/caarlos0/env":        {"internal/config"},
	"github.com/chromedp":            {"internal/browsertest"},
	"github.com/jedib0t/go-pretty":   {"internal/cli"},
	"github.com/schollz/progressbar": {"internal/cli"},
}

func TestImportsFollowTheHouse(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, p := range packages(t) {
		name := p.name()
		rule, ok := house[name]
		if !ok {
			t.Errorf("package %q is not in the table: add it to internal/conventions/imports_test.go and ARCHITECTURE.md", name)
			continue
		}
		seen++
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok && !slices.Contains(rule.may, ours) {
				t.Errorf("%s imports %s: %s", name, ours, rule.reason)
			}
			for third, may := range owners {
				if (imported == third || strings.HasPrefix(imported, third+"/")) && !slices.Contains(may, name) {
					t.Errorf("%s imports %s, which only %s may import", name, imported, strings.Join(may, " and "))
				}
			}
		}
	}
	if seen != len(house) {
		t.Errorf("only %d of %d packages in the table exist", seen, len(house))
	}
}

// Main packages are thin: the code of a program is in a package that tests can
// call.
func TestMainIsThin(t *testing.T) {
	t.Parallel()
	for file, text := range sources(t) {
		if lines := strings.Count(text, "\n"); path.Dir(path.Dir(file)) == "cmd" && lines > 40 {
			t.Errorf("%s has %d lines: want at most 40", file, lines)
		}
	}
}

// A package that has more than 2,500 lines, not counting tests, says why in its comment.
func TestLargePackagesSayWhy(t *testing.T) {
	t.Parallel()
	lines, why := map[string]int{}, map[string]bool{}
	for file, text := range sources(t) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "tools/") {
			continue
		}
		dir := path.Dir(file)
		lines[dir] += strings.Count(text, "\n")
		why[dir] = why[dir] || strings.Contains(text, "// It has more than 2,500 lines")
	}
	for dir, n := range lines {
		if large := n > 2500; large != why[dir] {
			t.Errorf("%s has %d lines; its package comment says why it has more than 2,500: %v", dir, n, why[dir])
		}
	}
}

// The root has no Go files. Each test is in the folder of the code that it
// tests. Tests of whole programs are in internal/e2e.
func TestNoGoFileAtTheRoot(t *testing.T) {
	t.Parallel()
	for file := range sources(t) {
		if path.Dir(file) == "." {
			t.Errorf("%s is at the root: move it into a package", file)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("package %s has no package comment", p.ImportPath)
		}
	}
}

// A product that imports the package tasks links only a few packages.
func TestTasksStaysLight(t *testing.T) {
	t.Parallel()
	deps := allPackages(t)[module+"/tasks"].Deps
	light := []string{"internal/plaintext", "internal/redisurl", "internal/sleep"} // these add only go-redis
	if len(deps) < 20 {
		t.Errorf("tasks depends on %d packages", len(deps))
	}
	for _, dep := range deps {
		for _, heavy := range []string{"github.com/jackc/", module + "/repo", module + "/internal/", "testing"} {
			if strings.HasPrefix(dep, heavy) && !slices.Contains(light, strings.TrimPrefix(dep, module+"/")) {
				t.Errorf("tasks depends on %s", dep)
			}
		}
	}
}
