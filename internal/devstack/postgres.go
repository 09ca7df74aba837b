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
	// together with the server.
	Durable bool
	// Settings holds server settings by name, e.g. "max_connections": "200".
	Settings map[string]string
	// Image is the initial content of the data folder. A nil Image means an
	// empty cluster.
	Image *Image
	// InMemory keeps the data in a memory file system, if the machine has one
	// that is large enough. This is faster for many small databases.
	InMemory bool
}

// Postgres is a running private server. It listens only on a Unix socket, so it
// needs no free port and other machines cannot reach it.
type Postgres struct {
	*server
	launch func() (*server, error) // starts the cluster in the folder
}

// StartPostgres creates a cluster in a temporary folder and starts it. When it
// returns, the server accepts connections. Starting takes about 0.3 s, or 1.5 s
// if the image must first be made (see [Image]). It returns a [*MissingError]
// if Postgres is not installed.
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
			// Each session is a process, which starts and ends faster if it
			// maps less memory. Autovacuum would start a process for each of
			// many small databases, so it runs rarely. Compiling a query takes longer
			// than executing it on so few rows.
			"-c", "jit=off", "-c", "shared_buffers=32MB", "-c", "autovacuum_naptime=10min")
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

// answers returns nil if the server accepts sessions. It reads the pid file,
// because the server accepts connections before it is ready for sessions.
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

// URL returns the superuser's URL for the database "postgres".
func (p *Postgres) URL() string { return p.DatabaseURL("postgres") }

// DatabaseURL returns the superuser's URL for the named database. The database
// need not exist.
func (p *Postgres) DatabaseURL(name string) string { return p.URLAs("postgres", name) }

// URLAs returns a role's URL for the named database. The role and the database
// need not exist.
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

// HaltFast stops the server as "pg_ctl stop -m fast" does and keeps its folder.
func (p *Postgres) HaltFast() error { return p.halt("INT") }

// HaltImmediate stops the server as "pg_ctl stop -m immediate" does: the next
// start recovers from the log. With synchronous_commit off, the last commits are lost,
// just as they would be in production.
func (p *Postgres) HaltImmediate() error { return p.halt("QUIT") }

// Resume restarts a halted server in the same folder. It returns when the
// server accepts connections. It must not run concurrently with a halt or
// Close.
func (p *Postgres) Resume(ctx context.Context) error {
	if err := p.resume(); err != nil {
		return err
	}
	// After an immediate stop, the old pid file still says "ready".
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

// readyLine reports whether the eighth line of a postmaster.pid file, the
// state, is "ready".
func readyLine(pidFile []byte) bool {
	lines := bytes.Split(pidFile, []byte("\n"))
	return len(lines) >= 8 && bytes.Equal(bytes.TrimSpace(lines[7]), []byte("ready"))
}
