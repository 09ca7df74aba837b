package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/tabular"
)

// hostile contains names that attack terminals and spreadsheets.
var hostile = []string{
	"a\x1b[2Jb", "\x1b]0;title\x07", "a\u009b31mb", "a\x7fb", "a\u202egpj.exe", "\u2066a\u2069", "a\u200bb", "\ufeffa", "a\rb", "a\nb", "a\u2028b", "a\u0085b",
	"\u200ea", "a\u00adb", "a\U000e0041b", "a\ufffe", "a\x00b", "a\xffb", "\xc3\x28",
	"=1+1", "+1", "-1", "@sum(1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "＝1", "＋1", "－1", "＠x", `"=1`, "'=1", "'+1", "=cmd|' /C calc'!A0",
	"#2 Movers", "#", "a,b", `a"b`, "a;b", "<script>alert(1)</script>", "{{.}}", "%s%n", "$(id)", "';drop table runs;--", "../../etc/passwd", strings.Repeat("ä", 1000), "می\u200cخواهم", "👩\u200d💻",
}

// checkOutputs prints a name in every format and checks the output.
func checkOutputs(t *testing.T, name string) {
	t.Helper()
	rows := []row{{Name: name, Note: "n"}}

	var doc bytes.Buffer
	if err := printJSON(&doc, rows); err != nil {
		t.Fatal(err)
	}
	var back []row
	if err := json.Unmarshal(doc.Bytes(), &back); err != nil || len(back) != 1 || utf8.ValidString(name) && back[0].Name != name {
		t.Errorf("%+q in JSON: %+q, error %v", name, back, err)
	}

	var sheet bytes.Buffer
	if err := printCSV(&sheet, rows, rowColumns); err != nil {
		t.Fatal(err)
	}
	cells, err := csv.NewReader(bytes.NewReader(sheet.Bytes())).ReadAll()
	if err != nil || len(cells) != 2 || len(cells[1]) != 2 || cells[1][1] != "n" {
		t.Fatalf("%+q in CSV: %q, error %v", name, sheet.String(), err)
	}
	cell := cells[1][0]
	if sign := strings.TrimLeft(cell, " \t\r\n\u00a0\"'"); sign != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(sign)[0]) && cell[0] != '\'' {
		t.Errorf("%+q would be evaluated as a formula: %+q", name, cell)
	}
	checkReadBack(t, name)

	for _, width := range []int{0, 40} {
		var screen bytes.Buffer
		printTable(&screen, width, rows, rowColumns)
		if n := strings.Count(screen.String(), "\n"); n != 2 {
			t.Errorf("%+q: a table of %d lines: %+q", name, n, screen.String())
		}
		doc.Write(screen.Bytes())
	}
	for _, out := range []string{doc.String(), sheet.String()} {
		if safe := plaintext.PrintableLines(out); safe != out {
			t.Errorf("%+q was printed without escaping: %+q", name, out)
		}
	}
}

// checkReadBack checks that --file reads a name as it was printed.
func checkReadBack(t *testing.T, name string) {
	t.Helper()
	if plaintext.Check(name) != nil || name != strings.TrimSpace(name) || name == "" || len(name) > 1000 {
		return // not the name of a company
	}
	var sheet bytes.Buffer
	columns := []column[row]{{title: "company_name", value: rowColumns[0].value}, {title: "client_id", value: rowColumns[1].value}}
	if err := printCSV(&sheet, []row{{Name: name, Note: "17"}}, columns); err != nil {
		t.Fatal(err)
	}
	back, err := tabular.ReadPairs(&sheet)
	if err != nil || len(back.Items) != 1 || back.Items[0].Company != name || back.Items[0].ClientID != 17 {
		t.Errorf("%+q came back from CSV as %+v, error %v", name, back, err)
	}
}

func TestHostileNamesInEveryOutput(t *testing.T) {
	t.Parallel()
	for _, name := range hostile {
		checkOutputs(t, name)
	}
}

func FuzzOutput(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	f.Fuzz(checkOutputs)
}

func FuzzParseSince(f *testing.F) {
	for _, seed := range []string{"2026-01-31", "2026-01-31T08:00:00Z", "24h", "7d", "65536d", "-1h", "1e9h", "0000-01-01", "9999-12-31T23:59:59+14:00", ""} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		since, err := parseSince(text, now)
		if err != nil {
			return
		}
		// Postgres must be able to store the time. Only an input with a date may yield a
		// future time.
		if y := since.UTC().Year(); y < -1 || y > 10_000 || since.After(now) && !strings.Contains(text, "-") {
			t.Errorf("%q is %v", text, since)
		}
	})
}
