package conventions

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/telemetry/telemetrytest"
)

const (
	alertRules = "deploy/prometheus/alerts.yml"
	alertTests = "deploy/prometheus/alerts_test.yml"
)

// Panels and alerts use only metrics, labels and values that workers expose.
func TestDashboardAndAlertsUseMetricsThatExist(t *testing.T) {
	t.Parallel()
	docs := telemetrytest.Docs(t)
	selector := regexp.MustCompile(`(halosync_\w+|up)(?:\{([^}]*)\})?`)
	status := regexp.MustCompile(`^(0|[1-5]\d\d|[1-5]\.\.)$`) // or a class of status codes
	matcher := regexp.MustCompile(`(\w+)=~?"([^"]*)"`)
	found := 0
	expressions := telemetrytest.Panels(t)
	maps.Copy(expressions, telemetrytest.Alerts(t))
	for where, expr := range expressions {
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			if m[1] == "up" { // a metric of Prometheus itself
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
				t.Errorf("%s: %s is not a metric of docs/metrics.md", where, m[1])
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

// Each alert has a runbook entry and a test, and each runbook entry has an
// alert.
func TestEachAlertHasARunbookEntry(t *testing.T) {
	t.Parallel()
	text := readFile(t, alertRules)
	var alerts, entries []string
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(text, -1) {
		alerts = append(alerts, m[1])
		if !strings.Contains(text, "runbook_url: docs/runbook.md#"+strings.ToLower(m[1])+"\n") {
			t.Errorf("the runbook_url of %s is not its entry", m[1])
		}
		if !strings.Contains(readFile(t, alertTests), "alertname: "+m[1]) {
			t.Errorf("%s has no test", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(readFile(t, "docs/runbook.md"), -1) {
		entries = append(entries, m[1])
	}
	if !slices.Equal(alerts, entries) && !slices.Equal(slices.Sorted(slices.Values(alerts)), slices.Sorted(slices.Values(entries))) {
		t.Errorf("alerts  %v\nentries %v", alerts, entries)
	}
}

// Prometheus' own tool, promtool, checks when the rules fire.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		promtool = filepath.Join(rootFolder(t), "bin", "promtool")
		_, err = os.Stat(promtool)
	}
	if err != nil {
		t.Skip("skipped: promtool is not on this machine; run make promtool to fetch it")
	}
	for _, args := range [][]string{{"check", "rules", alertRules}, {"test", "rules", alertTests}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = rootFolder(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
