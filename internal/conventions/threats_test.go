package conventions

import (
	"regexp"
	"strings"
	"testing"
)

// testName matches a test or a fuzz target in a document.
var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")

// Every threat in docs/security.md has a countermeasure and an existing test. The tests
// in docs/asvs.md exist, too.
func TestEveryThreatHasATest(t *testing.T) {
	t.Parallel()
	known := testNames(t)
	threat := regexp.MustCompile(`^\| ([A-Z]\d+) \|`)
	seen := map[string]bool{}
	for _, document := range []string{"docs/security.md", "docs/asvs.md"} {
		for line := range strings.Lines(readFile(t, document)) {
			for _, m := range testName.FindAllStringSubmatch(line, -1) {
				if !known[m[1]] {
					t.Errorf("%s: %s does not exist: %s", document, m[1], line)
				}
			}
		}
	}
	for line := range strings.Lines(readFile(t, "docs/security.md")) {
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
		if !testName.MatchString(cells[3]) {
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
