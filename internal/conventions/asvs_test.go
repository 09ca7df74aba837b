package conventions

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// level2 lists the requirements of OWASP ASVS 4.0.3 at level 2, including level 1,
// without those that the standard has deleted.
const level2 = `
1.1.1–7 1.2.1–4 1.4.1 1.4.4–5 1.5.1–4 1.6.1–4 1.7.1–2 1.8.1–2 1.9.1–2 1.10.1 1.11.1–2 1.12.2 1.14.1–6
2.1.1–12 2.2.1–3 2.3.1–3 2.4.1–5 2.5.1–7 2.6.1–3 2.7.1–6 2.8.1–7 2.9.1–3 2.10.1–4
3.1.1 3.2.1–4 3.3.1–4 3.4.1–5 3.5.1–3 3.7.1
4.1.1–3 4.1.5 4.2.1–2 4.3.1–3
5.1.1–5 5.2.1–8 5.3.1–10 5.4.1–3 5.5.1–4
6.1.1–3 6.2.1–6 6.3.1–2 6.4.1–2
7.1.1–4 7.2.1–2 7.3.1 7.3.3–4 7.4.1–3
8.1.1–4 8.2.1–3 8.3.1–8
9.1.1–3 9.2.1–4
10.2.1–2 10.3.1–3
11.1.1–8
12.1.1–3 12.2.1 12.3.1–6 12.4.1–2 12.5.1–2 12.6.1
13.1.1 13.1.3–5 13.2.1–3 13.2.5–6 13.3.1–2 13.4.1–2
14.1.1–4 14.2.1–6 14.3.2–3 14.4.1–7 14.5.1–4`

// requirements expands a range such as 2.1.1–12.
func requirements(t *testing.T, text string) (all []string) {
	t.Helper()
	m := regexp.MustCompile(`^(\d+\.\d+)\.(\d+)(?:–(\d+))?$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("requirement %q", text)
	}
	first, _ := strconv.Atoi(m[2])
	last := first
	if m[3] != "" {
		last, _ = strconv.Atoi(m[3])
	}
	for i := first; i <= last; i++ {
		all = append(all, fmt.Sprintf("%s.%d", m[1], i))
	}
	return all
}

// docs/asvs.md answers each requirement once. An answer that names no test says why.
func TestASVSIsCovered(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for text := range strings.FieldsSeq(level2) {
		for _, one := range requirements(t, text) {
			wanted[one] = true
		}
	}
	var (
		row     = regexp.MustCompile(`^\| (\d+\.\d+\.\d+(?:–\d+)?) \|`)
		verdict = regexp.MustCompile(`^\*\*(partly|not met|operator|n/a)\*\*`)
		found   = map[string]bool{}
	)
	for line := range strings.Lines(readFile(t, "docs/asvs.md")) {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, one := range requirements(t, m[1]) {
			if found[one] || !wanted[one] {
				t.Errorf("%s is listed twice, or is no requirement of level 2", one)
			}
			found[one] = true
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "| "), "|"), " | ")
		if len(cells) != 4 {
			t.Errorf("%s has %d cells, want number, requirement, answer, tests", m[1], len(cells))
			continue
		}
		if testName.MatchString(cells[3]) || verdict.MatchString(cells[2]) {
			continue
		}
		if !documented[m[1]] {
			t.Errorf("%s names no test, and does not say why: %s", m[1], line)
		}
	}
	for one := range wanted {
		if !found[one] {
			t.Errorf("%s is missing", one)
		}
	}
}

// documented lists requirements that the developers' process meets, not the code.
var documented = map[string]bool{"1.10.1": true, "5.4.1–2": true, "14.1.1": true}
