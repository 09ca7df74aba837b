package halosync_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/telemetry/telemetrytest"
	"github.com/halosync/halosync/repo/repotest"
)

const (
	alertRules = "deploy/prometheus/alerts.yml"
	alertTests = "deploy/prometheus/alerts_test.yml"
	dashboard  = "deploy/grafana/halosync.json"
)

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expressions are the queries of all panels and rules, by where they are.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)- alert: (\w+)\s+expr: (.*?)\n        (?:for|labels):`).FindAllStringSubmatch(readText(t, alertRules), -1) {
		all[m[1]] = m[2]
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readText(t, dashboard)), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title] += target.Expr + "\n"
		}
	}
	return all
}

// Panels and alerts ask for metrics that workers have, with labels and values
// that these have.
func TestDashboardAndAlertsUseMetricsThatExist(t *testing.T) {
	t.Parallel()
	docs := telemetrytest.Docs(t)
	selector := regexp.MustCompile(`(halosync_\w+|up)(?:\{([^}]*)\})?`)
	status := regexp.MustCompile(`^(0|[1-5]\d\d|[1-5]\.\.)$`) // or a class of them
	matcher := regexp.MustCompile(`(\w+)=~?"([^"]*)"`)
	found := 0
	for where, expr := range expressions(t) {
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			if m[1] == "up" { // Prometheus' own
				continue
			}
			found++
			name := m[1]
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if base := strings.TrimSuffix(name, part); docs[base].Kind == "histogram" {
					name = base
				}
			}
			doc, ok := docs[name]
			if !ok {
				t.Errorf("%s: %s is no metric of docs/metrics.md", where, m[1])
			}
			for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
				for value := range strings.SplitSeq(label[2], "|") {
					known := slices.Contains(doc.Labels[label[1]], value) || label[1] == "status" && status.MatchString(value)
					if label[1] != "job" && !known {
						t.Errorf("%s: %s never has %s=%q", where, m[1], label[1], value)
					}
				}
			}
		}
	}
	if found < 35 {
		t.Errorf("%d metrics found in panels and alerts", found)
	}
}

// Each alert has its entry in the runbook, and each entry its alert.
func TestEachAlertHasARunbookEntry(t *testing.T) {
	t.Parallel()
	text := readText(t, alertRules)
	var alerts, entries []string
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(text, -1) {
		alerts = append(alerts, m[1])
		if !strings.Contains(text, "runbook_url: docs/runbook.md#"+strings.ToLower(m[1])+"\n") {
			t.Errorf("%s does not lead to its entry", m[1])
		}
		if !strings.Contains(readText(t, alertTests), "alertname: "+m[1]) {
			t.Errorf("%s has no test", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(readText(t, "docs/runbook.md"), -1) {
		entries = append(entries, m[1])
	}
	if !slices.Equal(alerts, entries) && !slices.Equal(slices.Sorted(slices.Values(alerts)), slices.Sorted(slices.Values(entries))) {
		t.Errorf("alerts  %v\nentries %v", alerts, entries)
	}
}

// The rules fire when they should, and only then, as Prometheus reads them.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if promtool, err = filepath.Abs("bin/promtool"); err == nil {
			_, err = os.Stat(promtool)
		}
	}
	if err != nil {
		t.Skip("skipped: promtool is not on this machine; make promtool fetches it")
	}
	for _, args := range [][]string{{"check", "rules", alertRules}, {"test", "rules", alertTests}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// What the runbook says to type can be typed: commands and flags exist, and the
// SQL runs under the programs' own role.
func TestRunbookCanBeTyped(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	commands, queries := 0, 0
	helps := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```(\\w*)\n(.*?)```|`((?:enqueue|worker) [^`]+)`").FindAllStringSubmatch(readText(t, "docs/runbook.md"), -1) {
		for line := range strings.Lines(block[2] + block[3]) {
			line = strings.TrimSpace(line)
			switch {
			case block[1] == "sql" && strings.HasPrefix(line, "select "):
				queries++
				repotest.Exec(t, repotest.Worker(t, url), line)
			case strings.HasPrefix(line, "enqueue "), strings.HasPrefix(line, "worker"):
				commands++
				checkCommand(t, line, helps)
			}
		}
	}
	if commands < 20 || queries < 5 {
		t.Errorf("%d commands and %d queries found in docs/runbook.md", commands, queries)
	}
}

// checkCommand asks a command for its help, which must be its own, and looks for
// the flags there.
func checkCommand(t *testing.T, line string, helps map[string]string) {
	t.Helper()
	words := strings.Fields(line)
	path := words[:1]
	for _, word := range words[1:] {
		if !regexp.MustCompile(`^[a-z]+$`).MatchString(word) {
			break
		}
		path = append(path, word)
	}
	name := strings.Join(path, " ")
	if helps[name] == "" {
		out, err := exec.Command(filepath.Join(kit.bin, path[0]), append(path[1:], "--help")...).CombinedOutput()
		if helps[name] = string(out); err != nil || !strings.Contains(helps[name], "\n  "+name) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(line, -1) {
		if !strings.Contains(helps[name], flag+" ") {
			t.Errorf("%s: no flag %s", line, flag)
		}
	}
}
