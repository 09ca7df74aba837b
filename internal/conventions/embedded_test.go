package conventions

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// linkableJS lists the licences that JavaScript in the pages may have, in addition to
// those in linkable. These licences impose no further obligations.
var linkableJS = []string{"0BSD"}

// The npm packages in asynqmon's bundle are listed, so that they are in the SBOM and their
// vulnerabilities can be looked up. A new release of asynqmon needs a new list.
func TestEmbeddedPackagesAreListed(t *testing.T) {
	t.Parallel()
	const path = "tools/sbom/asynqmon/package-lock.json"
	var lock struct {
		Version  string
		Packages map[string]struct{ Version, Integrity, License string }
	}
	if err := json.Unmarshal([]byte(readFile(t, path)), &lock); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for _, m := range modules(t) {
		if m.Path == "github.com/hibiken/asynqmon" {
			dir = m.Dir
			if m.Version != "v"+lock.Version {
				t.Errorf("%s lists the packages of asynqmon %s, and go.mod has %s: run \"go run . lock\" in tools/sbom, and look for known faults (docs/dependencies.md)", path, lock.Version, m.Version)
			}
		}
	}
	// The list has each package that the bundle's source maps name.
	maps, err := filepath.Glob(filepath.Join(dir, "ui/build/static/js/*.js.map"))
	if err != nil || len(maps) == 0 {
		t.Fatalf("asynqmon has no source maps: %v", err)
	}
	inModules := regexp.MustCompile(`node_modules/(?:@[^/]+/)?[^/]+`)
	named := 0
	for _, file := range maps {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var bundle struct{ Sources []string }
		if err := json.Unmarshal(text, &bundle); err != nil {
			t.Fatal(err)
		}
		for _, source := range bundle.Sources {
			if folders := inModules.FindAllString(source, -1); len(folders) > 0 {
				if named++; lock.Packages[strings.Join(folders, "/")].Version == "" {
					t.Errorf("%s is in asynqmon's bundle, but not in %s", source, path)
				}
			}
		}
	}
	for name, p := range lock.Packages {
		if !slices.Contains(append(linkableJS, linkable...), p.License) {
			t.Errorf("%s: licence %q", name, p.License)
		}
		if name != "" && (p.Version == "" || !strings.HasPrefix(p.Integrity, "sha")) {
			t.Errorf("%s: version %q, checksum %q", name, p.Version, p.Integrity)
		}
	}
	if len(lock.Packages) < 60 || named < 500 {
		t.Errorf("%d packages, %d sources", len(lock.Packages), named)
	}

	// htmx is one file, whose version docs/dependencies.md names.
	m := regexp.MustCompile(`version:"(\d+\.\d+\.\d+)"`).FindStringSubmatch(readFile(t, "internal/console/assets/htmx.js"))
	if m == nil || !strings.Contains(readFile(t, "docs/dependencies.md"), "htmx "+m[1]+" ") {
		t.Errorf("docs/dependencies.md does not name the version of htmx.js: %v", m)
	}
}
