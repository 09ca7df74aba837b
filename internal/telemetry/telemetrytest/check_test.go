package telemetrytest_test

import (
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/telemetry/telemetrytest"
)

// Check reports every kind of fault in a metrics page.
func TestCheckSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	docs := map[string]telemetrytest.Metric{
		"halosync_a_total": {Kind: "counter", Labels: map[string][]string{"kind": {"import"}}},
		"halosync_b":       {Kind: "histogram", Labels: map[string][]string{"status": nil}},
	}
	a := "# TYPE halosync_a_total counter\nhalosync_a_total{kind=\"import\"} 1\n"
	b := "# TYPE halosync_b histogram\nhalosync_b_bucket{status=\"200\",le=\"1\"} 1\nhalosync_b_count{status=\"200\"} 1\n"
	for page, want := range map[string]string{
		a + b: "", a: "halosync_b is in docs", b: "halosync_a_total is in docs",
		a + b + "# TYPE halosync_c gauge\nhalosync_c 1\n":                    "halosync_c (gauge) is not in docs",
		a + b + "halosync_a_total{kind=\"acme\"} 1\n":                        `kind="acme"`,
		a + b + "halosync_a_total 1\n":                                       "has 0 labels",
		a + b + "halosync_b_count{status=\"742\"} 1\n":                       `status="742"`,
		a + b + "halosync_a_total{kind=\"import\",id=\"1\"} 1\n":             `id="1"`,
		a + b + "halosync_a_total{kind=import\n":                             "not understood",
		strings.Replace(a, "counter", "gauge", 1) + b:                        `has the type "counter"`,
		a + b + strings.Repeat("halosync_b_count{status=\"200\"} 1\n", 1500): "1503 series",
	} {
		faults := strings.Join(telemetrytest.Check(page, docs), "\n")
		if (want == "") != (faults == "") || !strings.Contains(faults, want) {
			t.Errorf("%.200s\nfaults %q, want %q", page, faults, want)
		}
	}
}
