package cli

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo"
)

type row struct{ Name, Note string }

var rowColumns = []column[row]{
	{title: "name", wide: true, value: func(r row) string { return r.Name }},
	{title: "note", value: func(r row) string { return r.Note }},
}

func TestTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	rows := []row{{strings.Repeat("very long name ", 20), "keep me whole"}, {"日本商事株式会社", "x"}}
	var out bytes.Buffer
	printTable(&out, 60, rows, rowColumns)
	for line := range strings.Lines(out.String()) {
		if w := text.StringWidth(strings.TrimRight(line, "\n")); w > 60 {
			t.Errorf("%d columns wide: %q", w, line)
		}
	}
	if !strings.Contains(out.String(), "keep me whole") || !strings.Contains(out.String(), "…") {
		t.Errorf("table:\n%s", out.String())
	}
	out.Reset()
	printTable(&out, 0, rows, rowColumns) // without a terminal nothing is cut
	if !strings.Contains(out.String(), strings.TrimSpace(rows[0].Name)) {
		t.Errorf("table for a pipe:\n%s", out.String())
	}
}

func TestExtraColumnsGiveWay(t *testing.T) {
	t.Parallel()
	columns := append(rowColumns[:2:2], column[row]{title: "extra", extra: true, value: func(row) string { return strings.Repeat("x", 30) }})
	rows := []row{{strings.Repeat("n", 40), "note"}}
	for width, want := range map[int]int{0: 3, 120: 3, 60: 2} {
		if got := fitting(width, rows, columns); len(got) != want {
			t.Errorf("width %d: %d columns, want %d", width, len(got), want)
		}
	}
}

func TestNamesCannotDriveTheTerminal(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{"a\x1b[2Jb", "a\u202eb", "a\rb", "a\nb", "a\u0085b", "a\x07b"} {
		if got := plaintext.Printable(evil); got != "a\uFFFDb" && !strings.HasPrefix(got, "a\uFFFD") {
			t.Errorf("Printable(%q) = %q", evil, got)
		}
		var out bytes.Buffer
		printTable(&out, 0, []row{{Name: evil}}, rowColumns)
		if strings.ContainsAny(out.String(), "\x1b\r\x07") || strings.Count(out.String(), "\n") != 2 {
			t.Errorf("table with %q: %q", evil, out.String())
		}
	}
}

func TestCSVIsTextForSpreadsheets(t *testing.T) {
	t.Parallel()
	names := []string{"=1+1", "+1", "-1", "@x", "\tx", "plain", "with, comma", `with "quotes"`, ""}
	var rows []row
	for _, n := range names {
		rows = append(rows, row{Name: n})
	}
	var out bytes.Buffer
	if err := printCSV(&out, rows, rowColumns); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		want := n
		if i < 5 {
			want = "'" + n
		}
		if got[i+1][0] != want {
			t.Errorf("cell %q, want %q", got[i+1][0], want)
		}
	}
}

func TestProgressLine(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	run := repo.Run{State: repo.StateRunning, StartedAt: &start, Pages: 10, Records: 1000, RecordsTotal: 3000}
	if got, want := line(run, start.Add(10*time.Second)), "running: 10 pages, 1,000 of 3,000 clients, 100 a second, 20s left"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	waiting := repo.Run{State: repo.StateQueued, WaitReason: "status 429"}
	if got, want := line(waiting, start), "queued (status 429)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
