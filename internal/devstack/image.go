package devstack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Image is a prepared Postgres data folder. It is made once and kept in the
// repository's bin folder. Each server starts from a copy of it, which takes a
// tenth of the time of initdb.
type Image struct {
	// Name is part of the folder's name and identifies the image.
	Name string
	// Key identifies the input of Prepare. If Key has changed, the image is
	// made again and the old image is removed.
	Key string
	// Prepare prepares a new cluster.
	Prepare func(ctx context.Context, p *Postgres) error
}

// initdbArgs holds the arguments of initdb apart from the folder.
var initdbArgs = []string{"--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"}

// initdb makes an empty cluster in a folder.
func initdb(ctx context.Context, bin, data string, who *account) error {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), append([]string{"--pgdata", data}, initdbArgs...)...)
	cmd.Dir, cmd.SysProcAttr = filepath.Dir(data), who.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// fill creates the data folder of a new server: a copy of the image, or of an
// empty cluster if image is nil. Outside the repository, or if the repository
// is read-only, images cannot be kept and are made each time.
func fill(ctx context.Context, bin, data string, who *account, image *Image) error {
	root, err := Root()
	if err == nil {
		err = copyImage(ctx, filepath.Join(root, "bin"), bin, data, who, image)
		if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			return err
		}
	}
	if image == nil {
		return initdb(ctx, bin, data, who)
	}
	return build(ctx, bin, who, image, func(made string) error { return copyFolder(ctx, made, data) })
}

// copyImage copies the image from the folder keep to data. If the image is
// missing, copyImage first makes it. A lock ensures that only one process makes
// the image and that none removes it during a copy.
func copyImage(ctx context.Context, keep, bin, data string, who *account, image *Image) error {
	stem, err := imageStem(bin, who, image)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return err
	}
	prefix, _, _ := strings.Cut(stem, "_")
	lock, err := os.OpenFile(filepath.Join(keep, prefix+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // also releases the lock
	folder := filepath.Join(keep, stem)
	if err := flock(lock, syscall.LOCK_SH); err != nil {
		return err
	}
	if _, err := os.Stat(folder); err == nil {
		return copyFolder(ctx, folder, data)
	}
	if err := flock(lock, syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(folder); err == nil { // another process has made it in the meantime
		return copyFolder(ctx, folder, data)
	}
	if err := removeImages(keep, prefix); err != nil {
		return err
	}
	err = build(ctx, bin, who, image, func(made string) error {
		temporary, err := os.MkdirTemp(keep, prefix+"_new")
		if err != nil {
			return err
		}
		if err := copyFolder(ctx, made, filepath.Join(temporary, "data")); err != nil {
			return errors.Join(err, os.RemoveAll(temporary))
		}
		return errors.Join(os.Rename(filepath.Join(temporary, "data"), folder), os.Remove(temporary))
	})
	if err != nil {
		return err
	}
	return copyFolder(ctx, folder, data)
}

// flock locks a file. A signal may interrupt the wait.
func flock(file *os.File, how int) error {
	for {
		if err := syscall.Flock(int(file.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// imageStem returns the name of the image's folder. The part before "_"
// contains the image's name and the account. Only that account can read the
// image. The hash identifies the version of Postgres and the image's key.
func imageStem(bin string, who *account, image *Image) (string, error) {
	server, err := os.Stat(filepath.Join(bin, "postgres"))
	if err != nil {
		return "", err
	}
	uid := os.Geteuid()
	if who != nil {
		uid = int(who.uid)
	}
	name, key := "empty", ""
	if image != nil {
		name, key = image.Name, image.Key
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %v %q %q", bin, server.Size(), server.ModTime().UnixNano(), initdbArgs, key))
	return fmt.Sprintf("postgres-%d-%s_%x", uid, name, sum[:8]), nil
}

// removeImages removes older versions of an image. It also removes partial images left by
// killed processes.
func removeImages(keep, prefix string) error {
	old, err := filepath.Glob(filepath.Join(keep, prefix+"_*"))
	if err != nil {
		return err
	}
	for _, folder := range old {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// build makes the image in a temporary folder, calls the function use with that folder and
// then removes the folder.
func build(ctx context.Context, bin string, who *account, image *Image, use func(data string) error) (err error) {
	if image == nil {
		dir, err := tempDir(who, "halosync-pg-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		data := filepath.Join(dir, "data")
		if err := initdb(ctx, bin, data, who); err != nil {
			return err
		}
		return use(data)
	}
	p, err := StartPostgres(ctx, PostgresOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := image.Prepare(ctx, p); err != nil {
		return fmt.Errorf("image %s: %w", image.Name, err)
	}
	if err := p.HaltFast(); err != nil {
		return err
	}
	return use(filepath.Join(p.dir, "data"))
}

// copyFolder copies a data folder that no server is using. It preserves owners
// and permissions.
func copyFolder(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}
