package devstack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Servers that start together make an image only once, even if a killed process
// has left a partial image. A new key replaces the image.
func TestImageIsMadeOnce(t *testing.T) {
	t.Parallel()
	bin, err := postgresBin()
	if err != nil {
		t.Fatal(err)
	}
	who, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	keep := t.TempDir()
	var made atomic.Int32
	image := func(key string) *Image {
		return &Image{Name: "test", Key: key, Prepare: func(ctx context.Context, p *Postgres) error {
			made.Add(1)
			return p.CreateRole(ctx, "made")
		}}
	}
	stem, err := imageStem(bin, who, image("one"))
	if err != nil {
		t.Fatal(err)
	}
	prefix := stem[:len(stem)-len("_0123456789abcdef")]
	half := filepath.Join(keep, prefix+"_new123", "data")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}

	folders := make([]string, 3)
	var all sync.WaitGroup
	for i := range folders {
		folders[i] = filepath.Join(t.TempDir(), "data")
		all.Go(func() {
			if err := copyImage(t.Context(), keep, bin, folders[i], who, image("one")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "PG_VERSION")); err != nil {
			t.Errorf("not copied: %v", err)
		}
		if _, err := os.Stat(filepath.Join(folder, "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the copy is of a running server: %v", err)
		}
	}

	another := filepath.Join(t.TempDir(), "data")
	if err := copyImage(t.Context(), keep, bin, another, who, image("two")); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(keep, prefix+"_*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) == stem || made.Load() != 2 {
		t.Errorf("images %v, made %d times, %v", left, made.Load(), err)
	}
}

// A server starts even if its image cannot be kept.
func TestImageThatCannotBeKept(t *testing.T) {
	t.Chdir(t.TempDir()) // neither this folder nor a parent has a go.mod
	prepared := false
	p, err := StartPostgres(t.Context(), PostgresOptions{Image: &Image{Name: "test", Prepare: func(ctx context.Context, p *Postgres) error {
		prepared = true
		return p.CreateRole(ctx, "made")
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := p.CreateRole(t.Context(), "made"); !prepared || err == nil {
		t.Errorf("prepared: %v; creating the role again: %v", prepared, err)
	}
}
