package telemetrytest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// maxSeries bounds the number of series of one worker. A histogram has about a dozen
// series.
const maxSeries = 1500

var (
	sample = regexp.MustCompile(`^(halosync_\w+?)(\{(.*)\})? \S+$`)
	pair   = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// Check compares a worker's metrics page with the documentation. It reports missing and
// unknown metrics, unknown labels and label values, and too many series.
func Check(page string, docs map[string]Metric) (faults []string) {
	seen, types, series := map[string]bool{}, map[string]string{}, 0
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
				faults = append(faults, "not understood: "+line)
			}
			continue
		}
		series++
		name := m[1]
		if _, ok := docs[name]; !ok {
			name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		}
		doc, ok := docs[name]
		if !ok || types[name] != doc.Kind {
			faults = append(faults, fmt.Sprintf("%s (%s) is not in docs/metrics.md, or has the type %q there", name, types[name], doc.Kind))
			continue
		}
		seen[name] = true
		faults = append(faults, doc.check(line, m[3])...)
	}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		if !seen[name] {
			faults = append(faults, name+" is in docs/metrics.md but not on the page")
		}
	}
	if series > maxSeries {
		faults = append(faults, fmt.Sprintf("%d series", series))
	}
	return faults
}

// check checks the labels of one line.
func (m Metric) check(line, labels string) (faults []string) {
	found := 0
	for _, p := range pair.FindAllStringSubmatch(labels, -1) {
		if p[1] == "le" {
			continue
		}
		found++
		list, known := m.Labels[p[1]]
		switch {
		case !known,
			p[1] == "status" && !Status.MatchString(p[2]),
			list != nil && !slices.Contains(list, p[2]):
			faults = append(faults, fmt.Sprintf("%s: docs/metrics.md does not allow the label %s=%q", line, p[1], p[2]))
		}
	}
	if found != len(m.Labels) {
		faults = append(faults, fmt.Sprintf("%s has %d labels, want %d as in docs/metrics.md", line, found, len(m.Labels)))
	}
	return faults
}
