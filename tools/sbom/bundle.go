package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// writeLock finds the packages in asynqmon's bundle and writes the lock file. The names
// of the packages come from the bundle's source maps, and their versions from the
// yarn.lock of asynqmon's own build. Both are in the Go module. The licences are copied
// from the existing lock file, because neither source contains them.
func writeLock() error {
	dir, version, err := moduleDir()
	if err != nil {
		return err
	}
	paths, err := bundled(filepath.Join(dir, "ui/build/static/js"))
	if err != nil {
		return err
	}
	yarn, err := readYarn(filepath.Join(dir, "ui"))
	if err != nil {
		return err
	}
	if err := yarn.resolve(paths); err != nil {
		return err
	}
	licences := map[string]string{}
	if old, err := readLock(); err == nil {
		for path, p := range old.Packages {
			licences[nameOf("node_modules/"+path)] = p.License
		}
	}
	lock := lockFile{Name: "asynqmon-ui", Version: version, LockfileVersion: 3, Requires: true, Packages: map[string]lockPackage{}}
	top := lockPackage{Name: lock.Name, Version: version, License: "MIT", Dependencies: map[string]string{}}
	for path, at := range yarn.found {
		if !slices.Contains(paths, path) {
			continue
		}
		name := nameOf(path)
		if licences[name] == "" {
			fmt.Fprintf(os.Stderr, "%s %s: add its licence to %s\n", name, at.version, lockPath)
		}
		lock.Packages[path] = lockPackage{Version: at.version, Resolved: at.resolved, Integrity: at.integrity, License: licences[name]}
		if path == "node_modules/"+name {
			top.Dependencies[name] = at.version
		}
	}
	lock.Packages[""] = top
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(lock); err != nil {
		return err
	}
	fmt.Printf("%s: %d packages of asynqmon %s\n", lockPath, len(lock.Packages)-1, version)
	return os.WriteFile(lockPath, text.Bytes(), 0o644) //nolint:gosec // a file of the repository
}

// moduleDir returns the folder and the version of asynqmon's Go module.
func moduleDir() (dir, version string, err error) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", asynqmon)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("go list: %w", err)
	}
	dir, version, ok := strings.Cut(strings.TrimSpace(string(out)), " v")
	if !ok || dir == "" {
		return "", "", fmt.Errorf("go list: %q", out)
	}
	return dir, version, nil
}

var (
	inModules = regexp.MustCompile(`node_modules/((?:@[^/]+/)?[^/]+)`)
	// unnamed matches sources of packages that were published with their own source map.
	// Such a source map does not name the package.
	unnamed = map[string]*regexp.Regexp{
		"react-router-dom":      regexp.MustCompile(`^\.\./\.\./modules/(BrowserRouter|HashRouter|Link|NavLink|utils/locationUtils)\.js$`),
		"react-router":          regexp.MustCompile(`^\.\./\.\./modules/(createNameContext|HistoryContext|RouterContext|Router|MemoryRouter|Prompt|generatePath|Redirect|Lifecycle|matchPath|Route|StaticRouter|Switch|withRouter|hooks)\.js$`),
		"popper.js":             regexp.MustCompile(`^\.\./\.\./\.\./src/((utils|methods|modifiers)/\w+|index)\.js$`),
		"react-resize-detector": regexp.MustCompile(`^\.\./\.\./src/(utils\.ts|\w*ResizeDetector\.tsx?)$`),
		"fast-equals":           regexp.MustCompile(`^\.\./\.\./src/(comparator|index)\.ts$`),
		"react-window":          regexp.MustCompile(`^\.\./\.\./src/(timer|domHelpers|create\w+Component|\w+Size\w+)\.js$`),
		"immer":                 regexp.MustCompile(`^\.\./\.\./src/((utils|core|plugins)/\w+|immer)\.ts$`),
		"@reduxjs/toolkit":      regexp.MustCompile(`^\.\./\.\./src/(devtoolsExtension|isPlainObject|getDefaultMiddleware|configureStore|create\w+|mapBuilders|nanoid|index)\.ts$`),
		"performance-now":       regexp.MustCompile(`^\.\./\.\./src/performance-now\.coffee$`),
	}
)

// bundled returns the paths of the packages in a bundle, in the form of a lock file.
func bundled(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.js.map"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s: no source maps: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	paths := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var sources struct{ Sources []string }
		if err := json.Unmarshal(text, &sources); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, source := range sources.Sources {
			path := ""
			for _, m := range inModules.FindAllStringSubmatch(source, -1) {
				path += "/node_modules/" + m[1]
			}
			for name, sources := range unnamed {
				if path == "" && sources.MatchString(source) {
					path = "/node_modules/" + name
				}
			}
			if path == "" && strings.HasPrefix(source, "../../") {
				return nil, fmt.Errorf("%s: the source %s is of an unknown package", file, source)
			}
			if path != "" {
				paths[path[1:]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(paths)), nil
}

// yarn is a yarn.lock, together with the package.json beside it.
type yarn struct {
	direct map[string]string    // ranges by name, from package.json
	byName map[string][]*locked // all versions of a package
	bySpec map[string]*locked   // by name@range
	found  map[string]*locked   // by path, from resolve
}

type locked struct {
	version, resolved, integrity string
	dependencies                 map[string]string // ranges by name
}

// readYarn reads the package.json and the yarn.lock in a folder.
func readYarn(dir string) (*yarn, error) {
	y := &yarn{byName: map[string][]*locked{}, bySpec: map[string]*locked{}, found: map[string]*locked{}}
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return nil, err
	}
	var manifest struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("package.json: %w", err)
	}
	y.direct = manifest.Dependencies
	if text, err = os.ReadFile(filepath.Join(dir, "yarn.lock")); err != nil {
		return nil, err
	}
	var at *locked
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		field := strings.TrimLeft(line, " ")
		name, value, _ := strings.Cut(field, " ")
		name, value = strings.Trim(name, `"`), strings.Trim(value, `"`)
		switch len(line) - len(field) {
		case 0:
			if field == "" || field[0] == '#' {
				continue
			}
			at = &locked{dependencies: map[string]string{}}
			for spec := range strings.SplitSeq(strings.TrimSuffix(field, ":"), ", ") {
				spec = strings.Trim(spec, `"`)
				name := spec[:strings.LastIndex(spec, "@")]
				y.bySpec[spec] = at
				if !slices.Contains(y.byName[name], at) {
					y.byName[name] = append(y.byName[name], at)
				}
			}
		case 2:
			switch name {
			case "version":
				at.version = value
			case "resolved":
				at.resolved, _, _ = strings.Cut(value, "#")
			case "integrity":
				at.integrity = value
			}
		case 4:
			at.dependencies[name] = value
		}
	}
	return y, nil
}

// resolve finds the version at each path. This is the version that most of the packages
// require that would load it from this path.
func (y *yarn) resolve(paths []string) error {
	for range 100 {
		next := map[string]*locked{}
		for _, path := range paths {
			next[path] = y.version(path, paths)
		}
		if maps.Equal(next, y.found) {
			break
		}
		y.found = next
	}
	for _, path := range paths {
		if y.found[path] != nil {
			continue
		}
		// The build adds the package, or another package contains a copy of it. If the
		// version is unknown, take the oldest one, because it has the most known
		// vulnerabilities.
		all := y.byName[nameOf(path)]
		if len(all) == 0 {
			return fmt.Errorf("%s: not in yarn.lock", path)
		}
		y.found[path] = slices.MinFunc(all, func(a, b *locked) int { return strings.Compare(a.version, b.version) })
		if len(all) > 1 {
			fmt.Fprintf(os.Stderr, "%s: the version is uncertain, taking %s\n", path, y.found[path].version)
		}
	}
	return nil
}

// version returns the version at a path, or nil if it is not known yet.
func (y *yarn) version(path string, paths []string) *locked {
	name := nameOf(path)
	if r, ok := y.direct[name]; ok && path == "node_modules/"+name {
		return y.bySpec[name+"@"+r]
	}
	votes := map[*locked]int{}
	for other, at := range y.found {
		if at == nil || at.dependencies[name] == "" || lookUp(other, name, paths) != path {
			continue
		}
		votes[y.bySpec[name+"@"+at.dependencies[name]]]++
	}
	if all := y.byName[nameOf("node_modules/"+parent(path))]; len(votes) == 0 && len(all) == 1 { // its parent is not in the bundle
		votes[y.bySpec[name+"@"+all[0].dependencies[name]]]++
	}
	var best *locked
	for at, n := range votes {
		if at != nil && (best == nil || n > votes[best] || n == votes[best] && at.version > best.version) {
			best = at
		}
	}
	return best
}

// lookUp returns the path from which a package at the path from loads the package called
// name.
func lookUp(from, name string, paths []string) string {
	for ; from != ""; from = parent(from) {
		if path := from + "/node_modules/" + name; slices.Contains(paths, path) {
			return path
		}
	}
	return "node_modules/" + name
}

// parent returns the path of the package that contains the package at a path, or "".
func parent(path string) string {
	return path[:max(0, strings.LastIndex(path, "/node_modules/"))]
}
