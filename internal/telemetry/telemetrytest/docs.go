// Package telemetrytest compares a worker's /metrics with docs/metrics.md. It also reads
// the expressions of the alerts and of the dashboard.
package telemetrytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Metric is a row of docs/metrics.md.
type Metric struct {
	Kind   string              // counter, gauge, histogram
	Labels map[string][]string // allowed values by label; nil for the labels version and status
}

// Status matches the values of the label "status".
var Status = regexp.MustCompile(`^(0|[1-9]xx|[1-5]\d\d)$`)

var code = regexp.MustCompile("`([^`]+)`")

// Docs reads docs/metrics.md.
func Docs(tb testing.TB) map[string]Metric {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(root(tb), "docs", "metrics.md"))
	if err != nil {
		tb.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "## Labels")
	values := labelValues(after)
	all := map[string]Metric{}
	for line := range strings.Lines(before) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.HasPrefix(cells[1], " `halosync_") {
			continue
		}
		m := Metric{Labels: map[string][]string{}}
		m.Kind, _, _ = strings.Cut(strings.TrimSpace(cells[2]), ",")
		for part := range strings.SplitSeq(cells[3], ",") {
			names := code.FindAllStringSubmatch(part, -1)
			if len(names) == 0 {
				continue
			}
			list, known := values[names[0][1]]
			if !known {
				tb.Errorf("label %s has no row in docs/metrics.md", names[0][1])
			}
			m.Labels[names[len(names)-1][1]] = list
		}
		all[code.FindStringSubmatch(cells[1])[1]] = m
	}
	if len(all) < 30 {
		tb.Fatalf("%d metrics read from docs/metrics.md", len(all))
	}
	return all
}

// labelValues parses the table of labels.
func labelValues(table string) map[string][]string {
	values := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || !code.MatchString(cells[1]) {
			continue
		}
		label := code.FindStringSubmatch(cells[1])[1]
		values[label] = nil
		if label == "status" || label == "version" {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			values[label] = append(values[label], m[1])
		}
	}
	return values
}

// root returns the module's folder. A test runs in the folder of its package.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("not within the module")
		}
		dir = up
	}
}
