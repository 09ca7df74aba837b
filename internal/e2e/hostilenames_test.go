package e2e

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/internal/plaintext"
)

// hostileNames are names that try to control a terminal, to run as a formula in a
// spreadsheet, to look like another name, or to break a page, a log or a query.
var hostileNames = []string{
	"esc \x1b[2J\x1b]0;owned\x07", "csi \u009b31m", "del \x7f\x7f", "nul \x00", "bell \x07", "back \b\b\b", "return \rEVIL", "line \nEVIL", "nel \u0085EVIL",
	"separator \u2028EVIL", "paragraph \u2029EVIL", "override \u202egpj.exe", "embedding \u202aa\u202c", "isolate \u2067a\u2069", "mark \u200fa", "zero \u200bwidth",
	"\ufeffbom", "word \u2060joiner", "soft \u00adhyphen", "joiner a\u200db", "tag \U000e0041", "non \ufdd0\uffff", "filler \u3164",
	"=1+1", "+1", "-1+1", "@sum(1)", "\t=tab", " =blank", "＝wide", "\"=quote", "'=apostrophe", "=cmd|' /C calc'!A0",
	"comma, \"quote\"; semicolon", "<script>alert(1)</script>", "{{.Name}} %s %n", "$(id) `id` ; rm", "'); drop table halosync.runs;--", "\\u001b[2J", "surrogate \xed\xa0\x80",
	strings.Repeat("long ", 400), "می\u200cخواهم", "👩\u200d💻 Ltd",
}

// TestHostileNamesEndToEnd imports the names with a worker and checks every
// output that shows them.
func TestHostileNamesEndToEnd(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	for i, name := range hostileNames {
		in.Tenant.Add(halotest.Client{ID: int64(i + 10), Name: name})
	}
	in.Connect()
	w := in.StartWorker()
	_, progress, code := in.Enqueue("import", "--connection", "halo", "--all", "--wait")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, progress)
	}
	_, refusal, code := in.Enqueue("companies", "add", hostileNames[0])
	if code != 2 || !strings.Contains(refusal, "character 5, U+001B, is not allowed") {
		t.Errorf("a person's name: exit code %d, %q", code, refusal)
	}
	shown := map[string]string{"progress": progress, "refusal": refusal}
	for _, format := range []string{"table", "json", "csv"} {
		for _, command := range []string{"mappings", "companies list", "clients --connection halo --all", "events", "runs list"} {
			shown[command+" "+format] = in.Must(append(strings.Fields(command), "-o", format)...)
		}
	}
	shown["metrics"] = w.Page(t, "/metrics")
	w.Stop(t)
	shown["log"] = w.Log.String()
	for what, text := range shown {
		if strings.Contains(what, "csv") {
			checkCells(t, what, text)
		}
		if plaintext.PrintableLines(text) != text {
			t.Errorf("%s: contains terminal control characters", what)
		}
	}

	companies := installation.Decode[[]struct{ Name string }](t, shown["companies list json"])
	if len(companies) != len(hostileNames) {
		t.Errorf("%d companies of %d names", len(companies), len(hostileNames))
	}
	for _, c := range companies {
		if err := plaintext.Check(c.Name); err != nil {
			t.Errorf("stored %+q: %v", c.Name, err)
		}
	}
	if !strings.Contains(shown["companies list csv"], "می\u200cخواهم") || !strings.Contains(shown["companies list csv"], "👩\u200d💻 Ltd") {
		t.Error("names have lost joiners that their writing systems need")
	}
}

// checkCells checks that a spreadsheet would not evaluate any cell as a
// formula.
func checkCells(t *testing.T, what, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if sign := strings.TrimLeft(cell, " \t\"'"); sign != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(sign)[0]) && cell[0] != '\'' {
				t.Errorf("%s: a spreadsheet evaluates the cell %q", what, cell)
			}
		}
	}
}
