package conventions

import (
	"regexp"
	"strings"
	"testing"
)

// Every threat in docs/security.md has a countermeasure and an existing test.
func TestEveryThreatHasATest(t *testing.T) {
	t.Parallel()
	known := testNames(t)
	threat := regexp.MustCompile(`^\| ([A-Z]\d+) \|`)
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	seen := map[string]bool{}
	for line := range strings.Lines(readFile(t, "docs/security.md")) {
		for _, m := range name.FindAllStringSubmatch(line, -1) {
			if !known[m[1]] {
				t.Errorf("%s does not exist: %s", m[1], line)
			}
		}
		id := threat.FindStringSubmatch(line)
		if id == nil {
			continue
		}
		if seen[id[1]] {
			t.Errorf("threat %s is listed twice", id[1])
		}
		seen[id[1]] = true
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 4 {
			t.Errorf("threat %s has %d cells, want number, threat, answer, tests", id[1], len(cells))
			continue
		}
		if !name.MatchString(cells[3]) {
			t.Errorf("threat %s names no test", id[1])
		}
	}
	if len(seen) < 30 {
		t.Errorf("%d threats were found", len(seen))
	}
}

// testNames returns the tests and fuzz targets of all packages.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	for path, text := range sources(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, m := range declared.FindAllStringSubmatch(text, -1) {
			names[m[1]] = true
		}
	}
	return names
}
