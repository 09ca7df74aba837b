package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Bouncer is a running PgBouncer in transaction mode. It listens on a Unix socket
// only.
type Bouncer struct{ *server }

// StartBouncer starts PgBouncer for the given roles, in front of the Postgres
// whose socket is in the folder host (see [Postgres.Dir]). It returns a
// [*MissingError] if PgBouncer is not installed.
func StartBouncer(ctx context.Context, host string, roles ...string) (*Bouncer, error) {
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		if binary = "/usr/sbin/pgbouncer"; !executable(binary) {
			return nil, &MissingError{Program: "pgbouncer", Looked: []string{"PATH", "/usr/sbin"}}
		}
	}
	who, err := unprivileged() // PgBouncer also refuses to run as root
	if err != nil {
		return nil, err
	}
	dir, err := tempDir(who, "halosync-bouncer-")
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "pgbouncer.ini")
	users := filepath.Join(dir, "users.txt")
	var known strings.Builder
	for _, user := range roles {
		fmt.Fprintf(&known, "%q \"\"\n", user)
	}
	text := fmt.Sprintf("[databases]\n* = host=%s\n[pgbouncer]\nlisten_addr =\nlisten_port = 5432\n"+
		"unix_socket_dir = %s\nauth_type = trust\nauth_file = %s\npool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = 20\n", host, dir, users)
	if err := errors.Join(os.WriteFile(users, []byte(known.String()), 0o644), os.WriteFile(conf, []byte(text), 0o644)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s, err := start("pgbouncer", dir, "TERM", who, binary, conf)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.await(ctx, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, ".s.PGSQL.5432"))
		if err != nil {
			return err
		}
		return conn.Close()
	}); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return &Bouncer{s}, nil
}

// DatabaseURL returns the URL of the named database for a role, with further URL
// options.
func (b *Bouncer) DatabaseURL(role, name string, options url.Values) string {
	q := url.Values{"host": {b.dir}}
	for key, values := range options {
		q[key] = values
	}
	return "postgres://" + role + "@/" + url.PathEscape(name) + "?" + q.Encode()
}

// Close stops PgBouncer and removes its folder.
func (b *Bouncer) Close() error { return b.stop() }
