package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/devstack"
)

// builtPrograms is the folder that contains worker and enqueue. If it is empty,
// the test builds them with the race detector.
var builtPrograms = flag.String("bin", "", "folder with the programs worker and enqueue; default: build them")

// TestMain runs as a child process if the arguments say so. In tests, the test binary
// starts itself as a child process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		main()
		return
	}
	// By default, each process with the race detector waits a second before it
	// ends.
	err := os.Setenv("GORACE", "atexit_sleep_ms=0")
	if err == nil {
		err = os.Chdir("../..") // devstack searches for the product's module
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestEveryTableAndGoalIsThere runs the program with few clients on real servers.
// The short form runs one part, and the long form (HALOSYNC_LONG=1) runs four.
func TestEveryTableAndGoalIsThere(t *testing.T) {
	t.Parallel()
	onLinux(t)
	bin, file := *builtPrograms, filepath.Join(t.TempDir(), "benchmarks.md")
	if bin == "" {
		built, err := devstack.Programs()
		if err != nil {
			t.Fatal(err)
		}
		bin = built
	}
	only, long := "^unchanged$", devstack.Long()
	if long {
		only = "^(import|latency|unchanged|sqlenqueue)$"
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"-bin", bin, "-rounds", "0", "-clients", "300", "-only", only, "-out", file}, &out)
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{
		`^Everything on one machine: \d+ cores .*, PostgreSQL [\d.]+ .*, Redis [\d.]+ .*; halosync \S+\.$`,
		`^### 300 clients: imported, imported again, reconciled`,
		`^\| first import \| ` + measured, `^\| import again, nothing changed \| ` + measured,
		`^\| resync, nothing changed \| ` + measured, `^\| resync, 1 % renamed \| ` + measured,
		`^\| what \| requests \| WAL MB \| whole blocks \| clients \| companies \| mappings \| events \|`,
		// With the simulator's seed, 290 of 300 clients become companies, and
		// each has two events.
		`^\| first import \| \d+ \| 0\.\d+ \| \d+ \| 300 inserted \| 290 inserted \| 290 inserted \| 580 inserted \|`,
		`^\| import again, nothing changed \| \d+ \| 0\.\d+ \| \d+ \| – \| – \| – \| – \| 1 inserted`,
		`^\| resync, nothing changed \| \d+ \| 0\.\d+ \| \d+ \| – \| – \| – \| – \| 1 inserted`,
		`^\| resync, 1 % renamed \| \d+ \| 0\.\d+ \| \d+ \| 3 updated \| – \| 3 updated \| 3 inserted \|`,
		goalLine("rows rewritten by the second import"), goalLine("rows rewritten by the resync"),
		goalLine("bytes of WAL of the second import divided by those of the first"), goalLine("rows rewritten for each renamed client"),
	}
	if long {
		wants = append(wants,
			`^### Import of 300 new clients`,
			`^\| halosync \| `+measured+` \| [1-9]\d+ \|$`,
			`^\| floor: fetch and decode \| `+measured, `^\| floor: COPY in psql \| `,
			`^\| row by row \| `+measured, `^\| a task per page \| `+measured,
			goalLine("wall time divided by that of the slower floor"), goalLine("times faster than row by row"),
			goalLine("times faster than a task per page"), goalLine("CPU time of the worker divided by that of a task per page"),
			`^### Import of 2000 new clients, 50ms per answer, 4 requests at the same time`,
			goalLine("wall time divided by (pages x latency / window)"),
			`^### 4000 requests in SQL, sessions: 4`, `^halosync.enqueue: \d+ a second\.$`, `^plain insert: \d+ a second\.$`,
			goalLine("requests per second in SQL divided by those of plain inserts, sessions: 4"),
		)
	}
	for _, want := range wants {
		if !regexp.MustCompile(`(?m)` + want).Match(out.Bytes()) {
			t.Errorf("no line matches %s", want)
		}
	}
	if t.Failed() {
		t.Logf("the output:\n%s", &out)
	}
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(document) != preface+out.String() {
		t.Errorf("the document is not the preface followed by the output:\n%s", document)
	}
}

// measured matches wall time, its range and CPU times.
const measured = `\d+\.\d\d \| \d+\.\d\d to \d+\.\d\d \| (\d+\.\d\d|–) \| (\d+\.\d\d|–)`

// goalLine matches the line of a goal whose text begins with words.
func goalLine(words string) string {
	return `^\| ` + regexp.QuoteMeta(words) + `.* \| [≤≥] [\d.]+ \| \d[\d.e-]* \| (yes|no) \|$`
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-rounds", "-1"}, {"-clients", "0"}, {"-only", "("}} {
		if err := run(t.Context(), args, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), args[0]) {
			t.Errorf("%v: %v, want an error about %s", args, err, args[0])
		}
	}
}

// onLinux skips a test on other systems, because they have no /proc.
func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
}
