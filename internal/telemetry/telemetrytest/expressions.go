package telemetrytest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	alert = regexp.MustCompile(`(?s)- alert: (\w+)\s+expr: (.*?)\n        (?:for|labels):`)
	blank = regexp.MustCompile(`\s+`)
)

// Alerts returns the expressions in deploy/prometheus/alerts.yml by alert name, each on
// one line.
func Alerts(tb testing.TB) map[string]string {
	tb.Helper()
	all := map[string]string{}
	for _, m := range alert.FindAllStringSubmatch(fileText(tb, "deploy/prometheus/alerts.yml"), -1) {
		all[m[1]] = blank.ReplaceAllString(strings.TrimSpace(strings.TrimPrefix(m[2], ">-")), " ")
	}
	return all
}

// Panels returns the queries in deploy/grafana/halosync.json by panel title, one per
// line.
func Panels(tb testing.TB) map[string]string {
	tb.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(fileText(tb, "deploy/grafana/halosync.json")), &board); err != nil {
		tb.Fatal(err)
	}
	all := map[string]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all[p.Title] += target.Expr + "\n"
		}
	}
	return all
}

// fileText reads a file of the repository. The path is relative to the root.
func fileText(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(root(tb), path))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
