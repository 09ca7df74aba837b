package halosync_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
)

// metricDoc is a row of docs/metrics.md.
type metricDoc struct {
	kind   string              // counter, gauge, histogram
	labels map[string][]string // by name as it is shown, with the values that it may have; nil: see the test
}

var code = regexp.MustCompile("`([^`]+)`")

// metricDocs reads docs/metrics.md.
func metricDocs(t *testing.T) map[string]metricDoc {
	t.Helper()
	text, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "## Labels")
	values := map[string][]string{}
	for line := range strings.Lines(after) {
		if cells := strings.Split(line, "|"); len(cells) == 4 && code.MatchString(cells[1]) {
			label := code.FindStringSubmatch(cells[1])[1]
			values[label] = nil
			if label != "status" && label != "version" {
				for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
					values[label] = append(values[label], m[1])
				}
			}
		}
	}
	all := map[string]metricDoc{}
	for line := range strings.Lines(before) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.HasPrefix(cells[1], " `halosync_") {
			continue
		}
		d := metricDoc{labels: map[string][]string{}}
		d.kind, _, _ = strings.Cut(strings.TrimSpace(cells[2]), ",")
		for part := range strings.SplitSeq(cells[3], ",") {
			names := code.FindAllStringSubmatch(part, -1)
			if len(names) == 0 {
				continue
			}
			list, known := values[names[0][1]]
			if !known {
				t.Errorf("label %s has no row in docs/metrics.md", names[0][1])
			}
			d.labels[names[len(names)-1][1]] = list
		}
		all[code.FindStringSubmatch(cells[1])[1]] = d
	}
	return all
}

var (
	sample = regexp.MustCompile(`^(halosync_\w+?)(\{(.*)\})? \S+$`)
	pair   = regexp.MustCompile(`(\w+)="([^"]*)"`)
	status = regexp.MustCompile(`^(0|[1-9]xx|[1-5]\d\d)$`)
)

// checkMetrics compares a worker's page with the documentation, and bounds it.
func checkMetrics(t *testing.T, page string, docs map[string]metricDoc) {
	t.Helper()
	seen, series := map[string]bool{}, 0
	types := map[string]string{}
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if typed, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(typed, " ")
			types[name] = kind
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			if strings.HasPrefix(line, "halosync_") {
				t.Errorf("not understood: %s", line)
			}
			continue
		}
		series++
		name := m[1]
		if _, ok := docs[name]; !ok {
			name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		}
		d, ok := docs[name]
		if !ok || types[name] != d.kind {
			t.Errorf("%s (%s) is not in docs/metrics.md, or as %q", name, types[name], d.kind)
			continue
		}
		seen[name] = true
		labels := 0
		for _, p := range pair.FindAllStringSubmatch(m[3], -1) {
			if p[1] == "le" {
				continue
			}
			labels++
			list, known := d.labels[p[1]]
			switch {
			case !known,
				p[1] == "status" && !status.MatchString(p[2]),
				list != nil && !slices.Contains(list, p[2]):
				t.Errorf("%s: label %s=%q is not as in docs/metrics.md", name, p[1], p[2])
			}
		}
		if labels != len(d.labels) {
			t.Errorf("%s has %d labels, in docs/metrics.md %d", line, labels, len(d.labels))
		}
	}
	for name := range docs {
		if !seen[name] {
			t.Errorf("%s is in docs/metrics.md and not among the metrics", name)
		}
	}
	if series > 1500 { // histograms have a dozen each
		t.Errorf("%d series", series)
	}
}

// After work of every kind, good and bad, a worker has all metrics that are
// metricDoc and no others, with labels from closed lists.
func TestMetricsAreAsDocumented(t *testing.T) {
	t.Parallel()
	docs := metricDocs(t)
	if len(docs) < 30 {
		t.Fatalf("%d metrics read from docs/metrics.md", len(docs))
	}
	s := newSite(t, fast)
	s.tenant.Seed(60, 7)
	s.connect()
	w := s.startWorker(s.keyset)
	s.halo.Fault(halotest.Rule{}, halotest.Status(503, "busy"), halotest.Throttle(time.Second))
	s.must("import", "--connection", "halo", "--all", "--wait")
	s.must("companies", "add", "By Hand")
	s.tenant.Add(halotest.Client{ID: 9001, Name: "Hand Made"})
	s.must("map", "--connection", "halo", "By Hand=9001", "--wait")
	s.must("resync", "--connection", "halo", "--wait")
	mapping := repotest.Value[string](t, s.db, `select id::text from halosync.mappings where client_id = 9001`)
	repotest.Exec(t, s.db, `select halosync.enqueue('unmap', 'msp-1', (select id from halosync.connections), jsonb_build_object('mapping_ids', jsonb_build_array($1::text)), 'test')`, mapping)
	s.eventually("unmap", func() bool {
		return strings.Contains(w.page(t, "/metrics"), `halosync_runs_total{kind="unmap",outcome="succeeded"} 1`)
	})
	s.app.Rights(halotest.ReadNone)
	s.app.SetSecret("another")
	s.app.Revoke()
	s.enqueue("import", "--connection", "halo", "--client", "9001", "--wait") // fails
	s.eventually("all is counted", func() bool { return strings.Contains(w.page(t, "/metrics"), "\nhalosync_mappings{") })
	page := w.page(t, "/metrics")
	checkMetrics(t, page, docs)
	for _, want := range []string{
		`halosync_runs_total{kind="import",outcome="succeeded"} 1`, `halosync_runs_total{kind="import",outcome="failed"} 1`,
		`halosync_runs_total{kind="resync",outcome="succeeded"} 1`, `halosync_run_seconds_count{kind="map",outcome="succeeded"} 1`,
		`halosync_records_total{kind="map"} 1`, `halosync_budget_throttled_total 1`,
		`halosync_server_up{server="redis"} 1`, `halosync_server_up{server="postgres"} 1`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(page, "msp-1") || strings.Contains(page, "9001") {
		t.Error("a tenant or an id is among the metrics")
	}
	w.stop(t)
}
