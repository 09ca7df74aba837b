package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/internal/telemetry/telemetrytest"
	"github.com/halosync/halosync/repo/repotest"
)

// After every kind of run, with and without failures, a worker exposes exactly
// the documented metrics. Every label value is in the documented list.
func TestMetricsAreAsDocumented(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(60, 7)
	in.Connect()
	w := in.StartWorker()
	in.Halo.Fault(halotest.Rule{}, halotest.Status(503, "busy"), halotest.Throttle(time.Second))
	in.Must("import", "--connection", "halo", "--all", "--wait")
	in.Must("companies", "add", "By Hand")
	in.Tenant.Add(halotest.Client{ID: 9001, Name: "Hand Made"})
	in.Must("map", "--connection", "halo", "By Hand=9001", "--wait")
	in.Must("resync", "--connection", "halo", "--wait")
	mapping := repotest.Value[string](t, in.DB, `select id::text from halosync.mappings where client_id = 9001`)
	repotest.Exec(t, in.DB, `select halosync.enqueue('unmap', 'msp-1', (select id from halosync.connections), jsonb_build_object('mapping_ids', jsonb_build_array($1::text)), 'test')`, mapping)
	in.Eventually("unmap", func() bool {
		return strings.Contains(w.Page(t, "/metrics"), `halosync_runs_total{kind="unmap",outcome="succeeded"} 1`)
	})
	in.App.Rights(halotest.ReadNone)
	in.App.SetSecret("another")
	in.App.Revoke()
	in.Enqueue("import", "--connection", "halo", "--client", "9001", "--wait") // this run fails
	in.Eventually("mappings are counted", func() bool { return strings.Contains(w.Page(t, "/metrics"), "\nhalosync_mappings{") })
	page := w.Page(t, "/metrics")
	for _, fault := range telemetrytest.Check(page, telemetrytest.Docs(t)) {
		t.Error(fault)
	}
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
	// Check only names and labels. A value may contain these digits by chance.
	for line := range strings.Lines(page) {
		series := line[:strings.LastIndexByte(line, ' ')+1]
		if strings.Contains(series, "msp-1") || strings.Contains(series, "9001") {
			t.Errorf("a metric shows a tenant or an id: %s", line)
		}
	}
	w.Stop(t)
}
