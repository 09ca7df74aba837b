package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
)

// PostgresOptions configures a private Postgres. The zero value suits tests.
type PostgresOptions struct {
	// Durable keeps fsync on. It is off by default, because the data is removed
	// with the server.
	Durable bool
	// Settings are server settings by name, e.g. "max_connections": "200".
	Settings map[string]string
	// Image is the initial content of the data folder; nil means an empty
	// cluster.
	Image *Image
	// InMemory keeps the data in memory if the machine has a large enough file
	// system for it. It suits many small databases.
	InMemory bool
}

// Postgres is a running private server. It listens on a Unix socket only, so it
// cannot collide with another server's port or be reached from other machines.
type Postgres struct {
	*server
	launch func() (*server, error) // starts the cluster in the folder
}

// StartPostgres creates a cluster in a temporary folder and starts it. When it
// returns, the server answers. It takes some 0.3 s, and 1.5 s the first time (see
// [Image]). It returns a [*MissingError] if Postgres is not installed.
func StartPostgres(ctx context.Context, opts PostgresOptions) (*Postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	base := tempBase(who)
	if opts.InMemory && roomy(memoryFolder) {
		base = memoryFolder
	}
	dir, err := tempDirIn(base, who, "halosync-pg-")
	if err != nil {
		return nil, err
	}
	p, err := startCluster(ctx, bin, dir, who, opts)
	if err != nil {
		return nil, fmt.Errorf("private postgres: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	return p, nil
}

func startCluster(ctx context.Context, bin, dir string, who *account, opts PostgresOptions) (*Postgres, error) {
	data := filepath.Join(dir, "data")
	if err := fill(ctx, bin, data, who, opts.Image); err != nil {
		return nil, err
	}
	args := []string{
		"-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200",
		"-c", "timezone=UTC", "-c", "log_min_messages=warning",
	}
	if !opts.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			// Each session is a process, which starts and ends faster with less memory to map.
			// And autovacuum starts one for each of many small databases.
			"-c", "shared_buffers=32MB", "-c", "autovacuum_naptime=10min")
	}
	for name, value := range opts.Settings {
		args = append(args, "-c", name+"="+value)
	}
	launch := func() (*server, error) {
		return start("postgres", dir, "INT", who, filepath.Join(bin, "postgres"), args...)
	}
	s, err := launch()
	if err != nil {
		return nil, err
	}
	p := &Postgres{s, launch}
	if err := s.await(ctx, p.answers); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return p, nil
}

// answers succeeds once the server accepts sessions. The pid file says "ready"
// only after start-up, which a successful connect does not prove.
func (p *Postgres) answers(ctx context.Context) error {
	status, err := os.ReadFile(filepath.Join(p.dir, "data", "postmaster.pid"))
	if err != nil {
		return err
	}
	if !readyLine(status) {
		return errors.New("starting up")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(p.dir, ".s.PGSQL.5432"))
	if err != nil {
		return err
	}
	return conn.Close()
}

// URL returns the URL of the database "postgres" for the superuser.
func (p *Postgres) URL() string { return p.DatabaseURL("postgres") }

// DatabaseURL returns the URL of the named database for the superuser. The
// database need not exist.
func (p *Postgres) DatabaseURL(name string) string { return p.URLAs("postgres", name) }

// URLAs returns the URL of the named database for a role. Neither need exist.
func (p *Postgres) URLAs(role, name string) string {
	return "postgres://" + url.PathEscape(role) + "@/" + url.PathEscape(name) + "?" + url.Values{"host": {p.dir}}.Encode()
}

// CreateRole creates a role that may connect and has no other rights.
func (p *Postgres) CreateRole(ctx context.Context, role string) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "createuser"), "--host", p.dir, "--username", "postgres", "--no-password", role).CombinedOutput()
	if err != nil {
		return fmt.Errorf("create role: %w: %s", err, out)
	}
	return nil
}

// Dir returns the temporary folder, which contains server.log.
func (p *Postgres) Dir() string { return p.dir }

// HaltFast stops the server like "pg_ctl stop -m fast" and keeps its folder.
func (p *Postgres) HaltFast() error { return p.halt("INT") }

// HaltImmediate stops the server like "pg_ctl stop -m immediate": the next start
// recovers from the log. Without the setting synchronous_commit=on it loses the
// last commits, as in production.
func (p *Postgres) HaltImmediate() error { return p.halt("QUIT") }

// Resume restarts a halted server on the same folder and returns when it answers.
// It must not run concurrently with a halt or Close.
func (p *Postgres) Resume(ctx context.Context) error {
	if err := p.resume(); err != nil {
		return err
	}
	// After an immediate stop the old file still says "ready".
	if err := removeIfThere(filepath.Join(p.dir, "data", "postmaster.pid")); err != nil {
		return err
	}
	s, err := p.launch()
	if err != nil {
		return err
	}
	p.server = s
	return s.await(ctx, p.answers)
}

// Close stops the server and removes its folder.
func (p *Postgres) Close() error { return p.stop() }

// readyLine reports whether the state in a postmaster.pid, its eighth line, is
// "ready".
func readyLine(pidFile []byte) bool {
	lines := bytes.Split(pidFile, []byte("\n"))
	return len(lines) >= 8 && bytes.Equal(bytes.TrimSpace(lines[7]), []byte("ready"))
}
