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
)

// Bouncer is a running PgBouncer that lends connections out for one
// transaction each. It listens on a Unix socket only.
type Bouncer struct{ *server }

// StartBouncer starts one in front of the Postgres whose socket is in the
// folder host, see [Postgres.Dir]. A [*MissingError] says that PgBouncer is not
// on the machine.
func StartBouncer(ctx context.Context, host string) (*Bouncer, error) {
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		if binary = "/usr/sbin/pgbouncer"; !executable(binary) {
			return nil, &MissingError{Program: "pgbouncer", Looked: []string{"PATH", "/usr/sbin"}}
		}
	}
	who, err := unprivileged() // it refuses to run as root, too
	if err != nil {
		return nil, err
	}
	dir, err := tempDir(who, "halosync-bouncer-")
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s user=postgres\n[pgbouncer]\nlisten_addr =\nlisten_port = 5432\n"+
		"unix_socket_dir = %s\nauth_type = any\npool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = 20\n", host, dir)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
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

// DatabaseURL addresses the named database, with further options of the URL.
func (b *Bouncer) DatabaseURL(name string, options url.Values) string {
	q := url.Values{"host": {b.dir}}
	for key, values := range options {
		q[key] = values
	}
	return "postgres://postgres@/" + url.PathEscape(name) + "?" + q.Encode()
}

// Close stops it and removes its folder.
func (b *Bouncer) Close() error { return b.stop() }
