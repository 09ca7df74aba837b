// Sbom adds JavaScript to the bill of materials of a program, because cyclonedx-gomod
// lists only Go modules. The programs contain JavaScript in two places: asynqmon's pages
// are a bundle of npm packages inside its Go module, and the console contains htmx.
//
//	go run . lock          write the packages in asynqmon's bundle to asynqmon/package-lock.json
//	go run . add BOM.json  add these packages, and htmx, to a bill of materials
package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const (
	root     = "../.." // of the repository
	lockPath = "asynqmon/package-lock.json"
	asynqmon = "github.com/hibiken/asynqmon"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "lock":
		err = writeLock()
	case len(args) == 2 && args[0] == "add":
		err = add(args[1])
	default:
		err = errors.New("want: lock, or: add BOM.json")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// add adds the packages to the bill of materials in a file.
func add(path string) error {
	lock, err := readLock()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(file, cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if bom.Components == nil || bom.Dependencies == nil || bom.Metadata == nil || bom.Metadata.Component == nil {
		return fmt.Errorf("%s: no components or no dependencies", path)
	}
	holder := slices.IndexFunc(*bom.Components, func(c cdx.Component) bool {
		return strings.HasPrefix(c.PackageURL, "pkg:golang/"+asynqmon+"@v"+lock.Version+"?") || c.PackageURL == "pkg:golang/"+asynqmon+"@v"+lock.Version
	})
	if holder < 0 {
		return fmt.Errorf("%s: no %s v%s; if its version has changed, run \"go run . lock\" in tools/sbom", path, asynqmon, lock.Version)
	}
	var packages []cdx.Component
	for path, p := range lock.Packages {
		if path != "" {
			packages = append(packages, component(nameOf(path), p))
		}
	}
	htmx, err := readHTMX()
	if err != nil {
		return err
	}
	addTo(bom, (*bom.Components)[holder].BOMRef, packages)
	addTo(bom, bom.Metadata.Component.BOMRef, []cdx.Component{component("htmx.org", htmx)})

	var text strings.Builder
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return err
	}
	fmt.Printf("%s: the npm packages in asynqmon %s (%d copies), and htmx %s\n", path, lock.Version, len(packages), htmx.Version)
	return nil
}

// addTo adds components as dependencies of the component with the reference ref.
func addTo(bom *cdx.BOM, ref string, packages []cdx.Component) {
	slices.SortFunc(packages, func(a, b cdx.Component) int { return strings.Compare(a.PackageURL, b.PackageURL) })
	packages = slices.CompactFunc(packages, func(a, b cdx.Component) bool { return a.PackageURL == b.PackageURL })
	at := slices.IndexFunc(*bom.Dependencies, func(d cdx.Dependency) bool { return d.Ref == ref })
	if at < 0 {
		*bom.Dependencies = append(*bom.Dependencies, cdx.Dependency{Ref: ref})
		at = len(*bom.Dependencies) - 1
	}
	holder := &(*bom.Dependencies)[at]
	if holder.Dependencies == nil {
		holder.Dependencies = new([]string)
	}
	for _, p := range packages {
		*bom.Components = append(*bom.Components, p)
		*holder.Dependencies = append(*holder.Dependencies, p.BOMRef)
	}
}

// component returns an npm package as a component.
func component(name string, p lockPackage) cdx.Component {
	purl := "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + p.Version
	c := cdx.Component{BOMRef: purl, PackageURL: purl, Type: cdx.ComponentTypeLibrary, Name: name, Version: p.Version, Scope: cdx.ScopeRequired}
	if scope, rest, ok := strings.Cut(name, "/"); ok {
		c.Group, c.Name = scope, rest
	}
	if p.License != "" {
		c.Licenses = &cdx.Licenses{{License: &cdx.License{ID: p.License}}}
	}
	algorithm, sum, _ := strings.Cut(p.Integrity, "-")
	if raw, err := base64.StdEncoding.DecodeString(sum); err == nil && algorithms[algorithm] != "" {
		c.Hashes = &[]cdx.Hash{{Algorithm: algorithms[algorithm], Value: hex.EncodeToString(raw)}}
	}
	return c
}

// algorithms are npm's names of hashes.
var algorithms = map[string]cdx.HashAlgorithm{"sha1": cdx.HashAlgoSHA1, "sha512": cdx.HashAlgoSHA512}

// readHTMX returns the version of the console's copy of htmx.
func readHTMX() (lockPackage, error) {
	text, err := os.ReadFile(root + "/internal/console/assets/htmx.js")
	if err != nil {
		return lockPackage{}, err
	}
	m := regexp.MustCompile(`version:"(\d+\.\d+\.\d+)"`).FindSubmatch(text)
	if m == nil {
		return lockPackage{}, errors.New("htmx.js names no version")
	}
	return lockPackage{Version: string(m[1]), License: "0BSD"}, nil
}

// lockFile is npm's package-lock.json, which tools that look for known faults can read.
type lockFile struct {
	Name            string                 `json:"name"`
	Version         string                 `json:"version"` // of asynqmon
	LockfileVersion int                    `json:"lockfileVersion"`
	Requires        bool                   `json:"requires"`
	Packages        map[string]lockPackage `json:"packages"` // by path, such as node_modules/react
}

type lockPackage struct {
	Name         string            `json:"name,omitempty"`
	Version      string            `json:"version"`
	Resolved     string            `json:"resolved,omitempty"`
	Integrity    string            `json:"integrity,omitempty"`
	License      string            `json:"license,omitempty"`
	Dependencies map[string]string `json:"dependencies,omitempty"`
}

func readLock() (lock lockFile, err error) {
	text, err := os.ReadFile(lockPath)
	if err != nil {
		return lock, err
	}
	return lock, json.Unmarshal(text, &lock)
}

// nameOf returns the name of the package at a path of the lock file.
func nameOf(path string) string {
	return path[strings.LastIndex(path, "node_modules/")+len("node_modules/"):]
}
