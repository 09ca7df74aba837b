package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/devstack"
)

// Floors and rivals are this program again; in a test, that is the test's.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		main()
		return
	}
	// Else each of the many processes waits a second before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// The whole program, on real servers, small. The short form runs one of the two
// parts, the long form (HALOSYNC_LONG=1) both.
func TestEveryTableAndGoalIsThere(t *testing.T) {
	t.Parallel()
	onLinux(t)
	bin, err := devstack.Programs()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	only, long := "^unchanged$", devstack.Long()
	if long {
		only = "^(import|unchanged)$"
	}
	var out bytes.Buffer
	err = run(t.Context(), []string{"-bin", bin, "-rounds", "0", "-clients", "300", "-only", only, "-out", file}, &out)
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{
		`^Everything on one machine: \d+ cores .*, PostgreSQL [\d.]+ .*, Redis [\d.]+ .*; halosync \S+\.$`,
		`^### 300 clients: imported, imported again, reconciled`,
		`^\| first import \| ` + measured, `^\| import again, nothing changed \| ` + measured,
		`^\| resync, nothing changed \| ` + measured, `^\| resync, 1 % renamed \| ` + measured,
		`^\| what \| requests \| log MB \| whole blocks \| clients \| companies \| mappings \| events \|`,
		// By the simulator's seed 290 of 300 become companies; each has two events.
		`^\| first import \| \d+ \| 0\.\d+ \| \d+ \| 300 inserted \| 290 inserted \| 290 inserted \| 580 inserted \|`,
		`^\| import again, nothing changed \| \d+ \| 0\.\d+ \| \d+ \| – \| – \| – \| – \| 1 inserted`,
		`^\| resync, nothing changed \| \d+ \| 0\.\d+ \| \d+ \| – \| – \| – \| – \| 1 inserted`,
		`^\| resync, 1 % renamed \| \d+ \| 0\.\d+ \| \d+ \| 3 updated \| – \| 3 updated \| 3 inserted \|`,
		goalLine("rows rewritten by the second import"), goalLine("rows rewritten by the resync"),
		goalLine("bytes of log of the second import over those of the first"), goalLine("rows rewritten for each renamed client"),
		`^### Resync takes the cheaper way`,
		`^\| 1 of 300 clients mapped \| 2 \| the listing \| \d+ \|$`, `^\| 290 of 300 clients mapped \| \d \| each by its id \| 290 \|$`,
	}
	if long {
		wants = append(wants,
			`^### Import of 300 new clients`,
			`^\| halosync \| `+measured+` \| [1-9]\d+ \|$`,
			`^\| \(a\) fetch \| `+measured, `^\| \(b\) fetch and decode \| `+measured, `^\| \(c\) COPY in psql \| `,
			`^\| \(e\) row by row \| `+measured, `^\| \(e\) a task per page \| `+measured,
			goalLine("wall time over the greater of (b) and (c)"), goalLine("times faster than row by row"),
			goalLine("times faster than a task per page"), goalLine("CPU time of the worker over that of a task per page"),
		)
	}
	for _, want := range wants {
		if !regexp.MustCompile(`(?m)` + want).Match(out.Bytes()) {
			t.Errorf("no line fits %s", want)
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
		t.Errorf("the document is not the preface and what was printed, but:\n%s", document)
	}
}

// measured are a wall time, its range and the CPU time.
const measured = `\d+\.\d\d \| \d+\.\d\d to \d+\.\d\d \| (\d+\.\d\d|–) \| (\d+\.\d\d|–)`

// goalLine is a line with a goal that begins with words.
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

// onLinux skips a test elsewhere: the benchmark reads /proc.
func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
}
