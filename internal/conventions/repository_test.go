package conventions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/halosync/halosync/internal/devstack"
)

const module = "github.com/halosync/halosync"

// once returns a function that computes a value on its first call and returns
// the same value on later calls. An error fails the test.
func once[T any](compute func(root string) (T, error)) func(*testing.T) T {
	get := sync.OnceValues(func() (T, error) {
		root, err := devstack.Root()
		if err != nil {
			var zero T
			return zero, err
		}
		return compute(root)
	})
	return func(t *testing.T) T {
		t.Helper()
		v, err := get()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// rootFolder returns the path to the repository's root.
var rootFolder = once(func(root string) (string, error) { return root, nil })

// readFile reads a file of the repository. path is relative to the root.
func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rootFolder(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources returns the Go files of the repository, including tests, by
// slash-separated path from the root.
var sources = once(func(root string) (map[string]string, error) {
	return readFolder(root, "", func(path string) bool { return filepath.Ext(path) == ".go" })
})

// readFolder reads the wanted files in a folder and its subfolders. The keys
// are slash-separated paths from the root. It skips files that are not part of
// the repository: git's own files, the output of make, and the secrets from
// deploy/secrets.sh.
func readFolder(root, folder string, want func(path string) bool) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(root, folder), func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		switch path = filepath.ToSlash(path); {
		case entry.IsDir() && (path == ".git" || path == "bin" || path == "dist" || path == "deploy/secrets"):
			return fs.SkipDir
		case entry.IsDir() || !want(path):
			return nil
		}
		text, err := os.ReadFile(full)
		files[path] = string(text)
		return err
	})
	return files, err
}

// goPackage is a package in the output of go list.
type goPackage struct {
	ImportPath string
	Doc        string
	Imports    []string
	Deps       []string // all packages that it links
	DepOnly    bool     // not part of this module
	Module     *goModule
}

// name returns the path within the module. The root is "".
func (p goPackage) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

type goModule struct {
	Path, Version, Dir string
	Indirect, Main     bool
	Replace            *goModule
}

// allPackages returns the module's packages and all packages that they link, by
// import path.
var allPackages = once(func(root string) (map[string]goPackage, error) {
	all, err := list[goPackage](root, "-deps", "-json=ImportPath,Doc,Imports,Deps,DepOnly,Module", "./...")
	byPath := make(map[string]goPackage, len(all))
	for _, p := range all {
		byPath[p.ImportPath] = p
	}
	return byPath, err
})

// packages returns the module's own packages.
func packages(t *testing.T) (ours []goPackage) {
	t.Helper()
	for _, p := range allPackages(t) {
		if !p.DepOnly {
			ours = append(ours, p)
		}
	}
	return ours
}

// modules returns all modules in the build.
var modules = once(func(root string) ([]goModule, error) { return list[goModule](root, "-m", "-json", "all") })

// list runs "go list" in the root and decodes its JSON documents.
func list[T any](root string, args ...string) ([]T, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go list %v: %w", args, err)
	}
	var all []T
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var v T
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
