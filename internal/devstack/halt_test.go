package devstack

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A halted server does not answer, but keeps its folder. It resumes at the same
// address, and Close then removes everything.
func TestHaltAndResume(t *testing.T) {
	t.Parallel()
	redis, err := StartRedis(t.Context(), RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pg, err := StartPostgres(t.Context(), PostgresOptions{})
	if err != nil {
		t.Fatal(errors.Join(err, redis.Close()))
	}
	for _, c := range []struct {
		name, network, addr, dir string
		halt                     func() error
		resume                   func(context.Context) error
	}{
		{"redis", "tcp", redis.Addr(), redis.Dir(), redis.Halt, redis.Resume},
		{"postgres, fast", "unix", filepath.Join(pg.Dir(), ".s.PGSQL.5432"), pg.Dir(), pg.HaltFast, pg.Resume},
		{"postgres, immediate", "unix", filepath.Join(pg.Dir(), ".s.PGSQL.5432"), pg.Dir(), pg.HaltImmediate, pg.Resume},
	} {
		if err := errors.Join(c.halt(), c.halt()); err != nil {
			t.Errorf("%s: halt: %v", c.name, err)
		}
		if conn, err := net.Dial(c.network, c.addr); err == nil {
			conn.Close()
			t.Errorf("%s answers after the halt", c.name)
		}
		if _, err := os.Stat(c.dir); err != nil {
			t.Errorf("%s: folder after the halt: %v", c.name, err)
		}
		if err := c.resume(t.Context()); err != nil {
			t.Errorf("%s: resume: %v", c.name, err)
			continue
		}
		conn, err := net.Dial(c.network, c.addr)
		if err != nil {
			t.Errorf("%s does not answer after the resume: %v", c.name, err)
			continue
		}
		conn.Close()
	}
	if err := errors.Join(pg.Close(), redis.Close()); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{pg.Dir(), redis.Dir()} {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder after Close: %v", err)
		}
	}
}
