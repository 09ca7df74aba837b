package devstack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// installHint returns the command that installs a missing program.
func installHint(program string) string {
	if runtime.GOOS == "darwin" {
		if program == "chromium" {
			return "brew install --cask chromium"
		}
		return "brew install postgresql@17 redis"
	}
	packages := "postgresql redis-server"
	if program == "chromium" {
		packages = "chromium-headless-shell"
	}
	return "sudo apt-get install -y --no-install-recommends " + packages
}

// MissingError means that a program was not found. Its message says how to
// install the program.
type MissingError struct {
	Program string   // e.g. "postgres"
	Looked  []string // places that were searched
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s was not found (looked in %s); install it with: %s",
		e.Program, strings.Join(e.Looked, ", "), installHint(e.Program))
}

// postgresBin returns the folder with initdb and postgres. Debian keeps them
// outside PATH, in a folder for each version. The newest version is used.
func postgresBin() (string, error) {
	const env = "HALOSYNC_POSTGRES_BIN"
	var dirs []string
	if dir := os.Getenv(env); dir != "" {
		dirs = append(dirs, dir)
	} else {
		dirs = slices.Concat(pgConfigDir(), pathDirs(), versioned())
	}
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", &MissingError{Program: "postgres", Looked: []string{"$" + env, "pg_config --bindir", "PATH", "/usr/lib/postgresql/*/bin", "Homebrew"}}
}

// PostgresProgram returns the path to a program that is installed with the
// server, such as pg_dump.
func PostgresProgram(name string) (string, error) {
	dir, err := postgresBin()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if !executable(path) {
		return "", &MissingError{Program: name, Looked: []string{dir}}
	}
	return path, nil
}

// pgConfigDir returns the folder that pg_config prints, which may hold only
// client programs.
func pgConfigDir() []string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		return nil
	}
	return []string{strings.TrimSpace(string(out))}
}

// pathDirs returns the folder of the initdb in PATH, with links resolved.
func pathDirs() []string {
	path, err := exec.LookPath("initdb")
	if err != nil {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return []string{filepath.Dir(path)}
}

// versioned lists the folders that Debian and Homebrew use, newest version
// first.
func versioned() []string {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the pattern is constant and valid
		slices.SortFunc(found, func(a, b string) int {
			if len(a) != len(b) { // 9 < 15
				return len(b) - len(a)
			}
			return strings.Compare(b, a)
		})
		dirs = append(dirs, found...)
	}
	return dirs
}

// redisServer returns the path to redis-server or valkey-server.
func redisServer() (string, error) {
	const env = "HALOSYNC_REDIS_SERVER"
	if path := os.Getenv(env); path != "" {
		if executable(path) {
			return path, nil
		}
		return "", &MissingError{Program: "redis-server", Looked: []string{path}}
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	for _, path := range []string{"/usr/bin/redis-server", "/opt/homebrew/bin/redis-server", "/usr/local/bin/redis-server"} {
		if executable(path) {
			return path, nil
		}
	}
	return "", &MissingError{Program: "redis-server", Looked: []string{"$" + env, "PATH", "/usr/bin", "Homebrew"}}
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Check checks that both servers are installed, without starting them. Its
// error is a [*MissingError].
func Check() error {
	_, err := postgresBin()
	if err != nil {
		return err
	}
	_, err = redisServer()
	return err
}
