package secret

import (
	"fmt"
	"io/fs"
)

// CheckMode returns an error if the permissions of a file with a secret are too wide.
// The error contains the command that corrects them. No one but the owner may change
// the file. No one but the owner and the group may read it, unless shared is true.
// Only regular files are checked, because a pipe or a terminal does not store the
// secret.
func CheckMode(path string, info fs.FileInfo, shared bool) error {
	const writable, readable fs.FileMode = 0o022, 0o004
	mode := info.Mode().Perm()
	if !info.Mode().IsRegular() {
		return nil
	}
	private := mode&readable == 0 || shared
	switch {
	case mode&writable != 0 && !private:
		return fmt.Errorf("%s has mode %04o, so other users may read and change it: run chmod go-w,o-r %s", path, mode, path)
	case mode&writable != 0:
		return fmt.Errorf("%s has mode %04o, so other users may change it: run chmod go-w %s", path, mode, path)
	case !private:
		return fmt.Errorf("%s has mode %04o, so other users may read it: run chmod o-r %s; "+
			"if the platform mounts secrets with this mode, set HALOSYNC_SECRET_FILES=shared", path, mode, path)
	}
	return nil
}
