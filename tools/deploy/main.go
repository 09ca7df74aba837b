// Deploy checks the files in deploy/ with the libraries of the tools that read
// them. It uses BuildKit's checks for the Dockerfile, the loader of compose,
// kustomize with the types of Kubernetes and KEDA for the manifests, and
// systemd-analyze for the units. It needs no container engine, cluster or
// network.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: deploy FOLDER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run checks a folder like deploy/ and prints what it has checked.
func run(ctx context.Context, dir string) error {
	checks := []struct {
		path  string
		check func(context.Context, string) (what string, err error)
	}{
		{"Dockerfile", dockerfile},
		{"compose.yml", composeFile},
		{"kubernetes/migrate", manifests},
		{"kubernetes/worker", manifests},
		{"kubernetes/keda", manifests},
		{"systemd", units},
	}
	var all error
	for _, c := range checks {
		what, err := c.check(ctx, filepath.Join(dir, c.path))
		if err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", c.path, err))
			continue
		}
		_, err = fmt.Printf("%s: %s\n", c.path, what)
		all = errors.Join(all, err)
	}
	return all
}
