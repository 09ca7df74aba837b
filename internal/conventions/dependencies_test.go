package conventions

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dependency is a row of docs/dependencies.md.
type dependency struct{ licence, why, who string }

// listedModules reads the table of direct dependencies.
func listedModules(t *testing.T) (text string, rows map[string]dependency) {
	t.Helper()
	text = readFile(t, "docs/dependencies.md")
	rows = map[string]dependency{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(text, -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("%s is listed twice", m[1])
		}
		rows[m[1]] = dependency{strings.TrimSpace(m[2]), strings.TrimSpace(m[3]), strings.TrimSpace(m[4])}
	}
	return text, rows
}

// linkable lists the licences that modules in the programs may have.
var linkable = []string{"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC"}

// licenceOf returns the licence in a module's folder, the strictest if there are
// several.
func licenceOf(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	said := strings.Join(strings.Fields(strings.ReplaceAll(text.String(), "//", " ")), " ")
	for _, known := range []struct{ phrase, licence string }{
		{"Mozilla Public License", "MPL-2.0"}, // this licence mentions the GNU licences, so check it first
		{"GNU AFFERO GENERAL PUBLIC LICENSE", "AGPL"},
		{"GNU GENERAL PUBLIC LICENSE", "GPL"},
		{"GNU LESSER GENERAL PUBLIC LICENSE", "LGPL"},
		{"GNU Lesser General Public License", "LGPL"},
		{"GNU General Public License", "GPL"},
		{"Eclipse Public License", "EPL"},
		{"Business Source License", "BUSL"},
		{"Server Side Public License", "SSPL"},
		{"Apache License Version 2.0", "Apache-2.0"},
		{"Neither the name of", "BSD-3-Clause"},
		{"Redistribution and use in source and binary forms", "BSD-2-Clause"},
		{"Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"},
		{"Permission to use, copy, modify, and/or distribute", "ISC"},
	} {
		if strings.Contains(said, known.phrase) {
			return known.licence
		}
	}
	return "unknown"
}

// The table lists exactly the direct dependencies, each with its licence and the
// packages that may import it.
func TestDependenciesAreDocumented(t *testing.T) {
	t.Parallel()
	text, rows := listedModules(t)
	direct := map[string]bool{}
	for _, m := range modules(t) {
		if m.Main || m.Indirect {
			continue
		}
		direct[m.Path] = true
		row, ok := rows[m.Path]
		if !ok {
			t.Errorf("%s is not in docs/dependencies.md", m.Path)
			continue
		}
		if m.Replace != nil {
			t.Errorf("%s is replaced by %s", m.Path, m.Replace.Path)
		}
		if is := licenceOf(t, m.Dir); is != row.licence {
			t.Errorf("%s: licence %s, docs/dependencies.md says %s", m.Path, is, row.licence)
		}
		who := "any"
		for third, may := range owners {
			if m.Path == third || strings.HasPrefix(m.Path, third+"/") {
				if who = "tests"; len(may) > 0 {
					who = "`" + strings.Join(may, "`, `") + "`"
				}
			}
		}
		if row.who != who && (who != "any" || strings.HasPrefix(row.who, "`")) {
			t.Errorf("%s: may be imported by %s, but docs/dependencies.md says %s", m.Path, who, row.who)
		}
	}
	for path := range rows {
		if !direct[path] {
			t.Errorf("%s is in docs/dependencies.md but not in go.mod", path)
		}
	}

	// The remaining tables list tools and packages of the operating system.
	for _, file := range []struct {
		path string
		find *regexp.Regexp
	}{
		{"tools/go.mod", regexp.MustCompile(`(?m)^tool (\S+)$`)},
		{"tools/sbom/go.mod", regexp.MustCompile(`(?m)^tool (\S+)$`)},
		{"Makefile", regexp.MustCompile(`\$\(GO\) run (\S+)@\S+`)},
		{"internal/devstack/install.sh", regexp.MustCompile(`missing="(?:\$missing )?([a-z-]+)"`)},
	} {
		found := file.find.FindAllStringSubmatch(readFile(t, file.path), -1)
		if len(found) == 0 {
			t.Errorf("%s names nothing", file.path)
		}
		for _, m := range found {
			if !strings.Contains(text, "`"+m[1]+"`") {
				t.Errorf("%s of %s is not in docs/dependencies.md", m[1], file.path)
			}
		}
	}
}

// All modules in the programs, including indirect ones, have licences that
// require only attribution.
func TestLinkedLicences(t *testing.T) {
	t.Parallel()
	all := allPackages(t)
	seen := map[string]bool{}
	for _, program := range []string{"worker", "enqueue"} {
		for _, dep := range all[module+"/cmd/"+program].Deps {
			m := all[dep].Module
			if m == nil || m.Main || seen[m.Path] {
				continue
			}
			seen[m.Path] = true
			if is := licenceOf(t, m.Dir); !slices.Contains(linkable, is) {
				t.Errorf("%s is linked and has licence %s", m.Path, is)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d modules", len(seen))
	}
}

// No code disables or replaces the verification of certificates.
func TestVerificationIsNeverSwitchedOff(t *testing.T) {
	t.Parallel()
	files := 0
	for path, text := range sources(t) {
		if path == "internal/conventions/dependencies_test.go" {
			continue
		}
		files++
		for _, off := range []string{"InsecureSkipVerify:", "InsecureSkipVerify =", "VerifyPeerCertificate", "VerifyConnection"} {
			if strings.Contains(text, off) {
				t.Errorf("%s has %s", path, off)
			}
		}
	}
	if files < 100 {
		t.Errorf("%d files", files)
	}
}
