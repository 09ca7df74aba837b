package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// supervisor runs the command "$@". When supervisor's standard input closes, it
// ends the command with signal $1, or with the signal read from the input, and
// removes folder $2. It keeps the folder if it contains a file named "halted".
// It also keeps the folder if the server exited on its own, to preserve the log. It exits
// with the server's status. The pipe moves to descriptor 3, because a shell gives /dev/null
// to its background jobs.
const supervisor = `
sig=$1 dir=$2; shift 2
trap '' INT TERM HUP QUIT
exec 3<&0 </dev/null
( trap - INT TERM HUP QUIT; exec 3<&-; exec "$@" ) & pid=$!
(
	while read -r line <&3; do sig=$line; done
	: >"$dir/stopping"
	kill -"$sig" "$pid" 2>/dev/null
	n=0
	while [ $n -lt 50 ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; n=$((n + 1)); done
	kill -KILL "$pid" 2>/dev/null
) & watch=$!
wait "$pid"; code=$?
kill -KILL "$watch" 2>/dev/null; wait "$watch" 2>/dev/null
[ ! -f "$dir/stopping" ] || [ -f "$dir/halted" ] || rm -rf "$dir"
exit $code
`

// startTimeout bounds the wait for a server to answer. A loaded two-core
// machine has needed about 3 s.
const startTimeout = 60 * time.Second

// server is one supervised process.
type server struct {
	name string
	dir  string
	log  string
	pipe io.WriteCloser
	done chan struct{}
	err  error // exit status, valid once the channel done is closed
}

// account is the user that a server runs as. A nil account means the current
// user.
type account struct{ uid, gid uint32 }

// unprivileged returns the account to use if the current user is root, because
// Postgres refuses to run as root. Otherwise it returns nil.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // a nil account means the current user
	}
	for _, name := range []string{"postgres", "_postgres", "nobody", "daemon"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &account{uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, errors.New("Postgres cannot run as root, and there is no user postgres, nobody or daemon to run it as")
}

// attributes gives a child process its own process group, so that Ctrl-C in the
// terminal does not reach the server. It also drops privileges.
func (a *account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// tempBase returns a folder for temporary folders that account a can reach. It
// returns /tmp for another account. It also returns /tmp if the usual folder
// has a long name, because the path of a Unix socket is limited to about 100
// bytes.
func tempBase(a *account) string {
	if base := os.TempDir(); a == nil && len(base) <= 50 {
		return base
	}
	return "/tmp"
}

// memoryFolder is an in-memory file system on Linux. Creating and removing files there
// takes half as long as on a disk, and a database has three hundred files.
const memoryFolder = "/dev/shm"

// roomy reports whether a folder exists and has two gigabytes free. In
// containers, /dev/shm has 64 MB by default.
func roomy(folder string) bool {
	var stat syscall.Statfs_t
	return syscall.Statfs(folder, &stat) == nil && stat.Bavail*uint64(stat.Bsize) >= 2<<30 //nolint:gosec // a block has a positive size
}

// tempDir creates a temporary folder that account a owns and can reach.
func tempDir(a *account, pattern string) (string, error) { return tempDirIn(tempBase(a), a, pattern) }

// tempDirIn creates a folder in base that account a owns.
func tempDirIn(base string, a *account, pattern string) (string, error) {
	dir, err := os.MkdirTemp(base, pattern)
	if err != nil {
		return "", err
	}
	if err := a.own(dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// own changes the owner of a file or folder to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// start runs binary under the supervisor. Its output goes to dir/server.log.
func start(name, dir, stopSignal string, a *account, binary string, args ...string) (*server, error) {
	logPath := filepath.Join(dir, "server.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	// The command has no context, because the server outlives the call that
	// starts it.
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervisor, "sh", stopSignal, dir, binary}, args...)...) //nolint:noctx // see above
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = a.attributes()
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &server{name: name, dir: dir, log: logPath, pipe: pipe, done: make(chan struct{})}
	go func() {
		s.err = cmd.Wait()
		close(s.done)
	}()
	return s, nil
}

// await calls the function ready every 20 ms until the function succeeds, the server ends,
// ctx is done or startTimeout has passed.
func (s *server) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		last := ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s exited during startup: %w; the last lines of its log:\n%s", s.name, s.err, tail(s.log))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; its log ends with:\n%s", s.name, last, tail(s.log))
		case <-tick.C:
		}
	}
}

// stop ends the server, waits for it and removes its folder. It is safe to repeat.
func (s *server) stop() error {
	s.pipe.Close()
	select {
	case <-s.done:
		return os.RemoveAll(s.dir)
	case <-time.After(10 * time.Second):
		return fmt.Errorf("%s did not stop within 10 s", s.name)
	}
}

// halt ends the server with a signal, e.g. "KILL", waits for it and keeps its
// folder for a later start. It does nothing if the server has already ended.
func (s *server) halt(signal string) error {
	select {
	case <-s.done:
		return nil
	default:
	}
	if err := os.WriteFile(filepath.Join(s.dir, "halted"), nil, 0o644); err != nil {
		return err
	}
	_, err := io.WriteString(s.pipe, signal+"\n")
	s.pipe.Close()
	select {
	case <-s.done:
		return err
	case <-time.After(10 * time.Second):
		return errors.Join(err, fmt.Errorf("%s did not halt within 10 s", s.name))
	}
}

// resume prepares the folder of a halted server for a new start.
func (s *server) resume() error {
	return errors.Join(
		removeIfThere(filepath.Join(s.dir, "halted")), removeIfThere(filepath.Join(s.dir, "stopping")))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// tail returns the last 2 kB of a log.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2048):])
}
