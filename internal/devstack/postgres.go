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

// PostgresOptions says how a private Postgres is to run. The zero value is
// what tests want.
type PostgresOptions struct {
	// Durable keeps fsync on. Off by default: the data goes with the process.
	Durable bool
	// Settings are server settings by name, e.g. "max_connections": "200".
	Settings map[string]string
	// Image is what the data folder holds at the start; nil means an empty
	// cluster.
	Image *Image
	// InMemory keeps the data in memory where the machine has a large enough file
	// system for it, for many small databases.
	InMemory bool
}

// Postgres is a running private server that listens on a Unix socket only, so
// it can neither collide with another server's port nor be reached from
// elsewhere.
type Postgres struct {
	*server
	launch func() (*server, error) // starts the cluster in the folder
}

// StartPostgres makes a cluster in a temporary folder and starts it. When it
// returns, the server answers. It takes some 0.3 s, and 1.5 s the first time
// (see [Image]). A [*MissingError] says that Postgres is not on the machine.
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
			// Each session is a process: one that maps less memory starts and ends sooner. And
			// autovacuum starts one for each of many small databases.
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

// answers succeeds once the server accepts sessions: the pid file's last line
// says "ready" only after start-up is over, which a mere connect does not tell.
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

// URL addresses the database "postgres" as superuser.
func (p *Postgres) URL() string { return p.DatabaseURL("postgres") }

// DatabaseURL addresses the named database as superuser; it need not exist.
func (p *Postgres) DatabaseURL(name string) string { return p.URLAs("postgres", name) }

// URLAs addresses the named database as a role; neither need exist.
func (p *Postgres) URLAs(role, name string) string {
	return "postgres://" + url.PathEscape(role) + "@/" + url.PathEscape(name) + "?" + url.Values{"host": {p.dir}}.Encode()
}

// CreateRole makes a role that may connect and has no rights yet.
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

// Dir is the temporary folder, with server.log in it.
func (p *Postgres) Dir() string { return p.dir }

// HaltFast stops the server as "pg_ctl stop -m fast" does and keeps its folder.
func (p *Postgres) HaltFast() error { return p.halt("INT") }

// HaltImmediate stops it as "pg_ctl stop -m immediate" does: the next start
// recovers from the log. Without the setting synchronous_commit=on it loses
// the commits of the last moments, as it would in the field.
func (p *Postgres) HaltImmediate() error { return p.halt("QUIT") }

// Resume starts a halted server again on the same folder and returns when it
// answers. It must not run alongside a halt or Close.
func (p *Postgres) Resume(ctx context.Context) error {
	if err := p.resume(); err != nil {
		return err
	}
	// One that an immediate stop left says "ready".
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

// readyLine looks at the state in a postmaster.pid: its eighth line.
func readyLine(pidFile []byte) bool {
	lines := bytes.Split(pidFile, []byte("\n"))
	return len(lines) >= 8 && bytes.Equal(bytes.TrimSpace(lines[7]), []byte("ready"))
}
