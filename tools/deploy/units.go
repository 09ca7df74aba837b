package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mostExposed is the highest score, in tenths, that we accept from
// "systemd-analyze security". A score of 0 means that nothing is allowed, and 100 means that everything is.
const mostExposed = "15"

// units checks the unit files with systemd, if systemd is installed.
func units(ctx context.Context, dir string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.service"))
	if err != nil || len(paths) == 0 {
		return "", fmt.Errorf("no units: %w", err)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		return "not checked: systemd-analyze is not on this machine", nil
	}
	work, err := os.MkdirTemp("", "units-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		// systemd requires the program to exist, but it is not installed here.
		text = bytes.ReplaceAll(text, []byte("/usr/local/bin/worker"), []byte("/bin/true"))
		paths[i] = filepath.Join(work, filepath.Base(path))
		if err := os.WriteFile(paths[i], text, 0o600); err != nil {
			return "", err
		}
	}
	if said, err := exec.CommandContext(ctx, "systemd-analyze", append([]string{"verify"}, paths...)...).CombinedOutput(); err != nil || len(said) > 0 {
		return "", fmt.Errorf("systemd-analyze verify:\n%s", said)
	}
	args := append([]string{"security", "--offline=yes", "--threshold=" + mostExposed}, paths...)
	said, err := exec.CommandContext(ctx, "systemd-analyze", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("systemd-analyze security: %w\n%s", err, said)
	}
	return fmt.Sprintf("%d units, exposure at most %s of 100", len(paths), strings.TrimSpace(mostExposed)), nil
}
