package runbook

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/internal/telemetry/telemetrytest"
)

// point is the value of a series in one scrape.
type point struct {
	name   string
	labels map[string]string
	value  float64
	grown  float64 // increase since the first scrape in the window
}

// watcher evaluates this repository's alert rules in place of Prometheus. It
// scrapes the workers and computes the expression of each rule. (TestAlertRules
// in internal/conventions checks the rules with promtool.) An alert fires at
// once, regardless of its "for" period. All increases use one window, which
// [watcher.newWindow] begins.
type watcher struct {
	t     *testing.T
	rules map[string]string  // expressions by alert
	first map[string]float64 // values at the beginning of the window, by series
}

func newWatcher(t *testing.T) *watcher {
	t.Helper()
	return &watcher{t: t, rules: telemetrytest.Alerts(t), first: map[string]float64{}}
}

// newWindow begins a new window and discards earlier counts.
func (w *watcher) newWindow() { w.first = map[string]float64{} }

// firing scrapes the workers and returns the sorted names of the alerts whose
// rules are true.
func (w *watcher) firing(workers ...*installation.Worker) (alerts []string) {
	w.t.Helper()
	pages := make([]string, len(workers))
	var scraping sync.WaitGroup
	for i, worker := range workers {
		scraping.Go(func() { pages[i] = scrape(worker) })
	}
	scraping.Wait()
	var all []point
	for i, page := range pages {
		all = append(all, w.points(fmt.Sprint(workers[i].Process.Pid), page)...)
	}
	for name, expr := range w.rules {
		if slices.ContainsFunc(strings.Split(expr, " or "), func(part string) bool { return w.holds(all, part) }) {
			alerts = append(alerts, name)
		}
	}
	slices.Sort(alerts)
	return alerts
}

var metricLine = regexp.MustCompile(`(?m)^(halosync_\w+)(?:\{(.*)\})? (\S+)$`)

// scrape fetches a worker's metrics. It returns "" if the worker does not answer.
func scrape(worker *installation.Worker) string {
	resp, err := http.Get("http://" + worker.Metrics + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(page)
}

func (w *watcher) points(instance, page string) []point {
	w.t.Helper()
	up := point{name: "up", labels: map[string]string{"job": "halosync", "instance": instance}}
	if page != "" {
		up.value = 1
	}
	points := []point{up}
	for _, m := range metricLine.FindAllStringSubmatch(page, -1) {
		p := point{name: m[1], labels: labelsOf(m[2])}
		p.labels["job"], p.labels["instance"] = "halosync", instance
		p.value = w.number(m[3])
		key := instance + m[1] + m[2]
		if _, seen := w.first[key]; !seen {
			w.first[key] = p.value
		}
		p.grown = p.value - w.first[key]
		points = append(points, p)
	}
	return points
}

func labelsOf(text string) map[string]string {
	labels := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		labels[m[1]] = m[2]
	}
	return labels
}

func (w *watcher) number(text string) float64 {
	w.t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		w.t.Fatalf("cannot parse a number in a rule or metric: %v", err)
	}
	return n
}

// holds reports whether a comparison is true for any series.
func (w *watcher) holds(all []point, expr string) bool {
	w.t.Helper()
	if inner, ok := strings.CutPrefix(expr, "absent("); ok {
		return len(w.series(all, strings.TrimSuffix(inner, ")"))) == 0
	}
	m := regexp.MustCompile(`^(.*) (==|>) (.*)$`).FindStringSubmatch(expr)
	if m == nil {
		w.t.Fatalf("not a comparison: %s", expr)
	}
	right := w.series(all, m[3])
	return len(right) == 1 && slices.ContainsFunc(w.series(all, m[1]), func(left point) bool {
		if m[2] == ">" {
			return left.value > right[0].value
		}
		return left.value == right[0].value
	})
}

// series computes one side of a comparison. A number becomes one series without
// labels.
func (w *watcher) series(all []point, expr string) []point {
	w.t.Helper()
	if since, ok := strings.CutPrefix(expr, "time() - "); ok {
		found := w.series(all, since)
		for i := range found {
			found[i].value = float64(time.Now().Unix()) - found[i].value
		}
		return found
	}
	if factor, rest, ok := strings.Cut(expr, " * "); ok {
		found := w.series(all, rest)
		for i := range found {
			found[i].value *= w.number(factor)
		}
		return found
	}
	if m := regexp.MustCompile(`^(max|min|sum)(?: by \((\w+)\) )?\((.*)\)$`).FindStringSubmatch(expr); m != nil {
		return aggregate(m[1], m[2], w.series(all, m[3]))
	}
	if m := regexp.MustCompile(`^increase\((.*)\[\w+\]\)$`).FindStringSubmatch(expr); m != nil {
		found := w.series(all, m[1])
		for i := range found {
			found[i].value = found[i].grown
		}
		return found
	}
	if m := regexp.MustCompile(`^([a-z]\w*)(\{.*\})?$`).FindStringSubmatch(expr); m != nil {
		return chosen(all, m[1], m[2])
	}
	return []point{{value: w.number(expr)}}
}

// chosen returns the series with the given name whose labels match the
// selector.
func chosen(all []point, name, selector string) (found []point) {
	matchers := regexp.MustCompile(`(\w+)(=~?)"([^"]*)"`).FindAllStringSubmatch(selector, -1)
	for _, p := range all {
		fits := p.name == name && !slices.ContainsFunc(matchers, func(m []string) bool {
			if m[2] == "=~" {
				return !regexp.MustCompile(`^(?:` + m[3] + `)$`).MatchString(p.labels[m[1]])
			}
			return p.labels[m[1]] != m[3]
		})
		if fits {
			found = append(found, p)
		}
	}
	return found
}

func aggregate(how, by string, points []point) (groups []point) {
	for _, p := range points {
		at := slices.IndexFunc(groups, func(g point) bool { return g.labels[by] == p.labels[by] })
		switch {
		case at < 0:
			groups = append(groups, point{labels: map[string]string{by: p.labels[by]}, value: p.value})
		case how == "max":
			groups[at].value = max(groups[at].value, p.value)
		case how == "min":
			groups[at].value = min(groups[at].value, p.value)
		default:
			groups[at].value += p.value
		}
	}
	return groups
}
