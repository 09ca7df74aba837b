package devstack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv makes the test binary start both servers, print their folders and
// wait until the process is killed.
const childEnv = "HALOSYNC_DEVSTACK_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child() error {
	ctx, cancel := signalContext()
	defer cancel()
	pg, err := StartPostgres(ctx, PostgresOptions{})
	if err != nil {
		return err
	}
	redis, err := StartRedis(ctx, RedisOptions{})
	if err != nil {
		return err
	}
	fmt.Println(pg.Dir())
	fmt.Println(redis.Dir())
	fmt.Println(redis.Addr())
	<-ctx.Done()
	return errors.Join(pg.Close(), redis.Close())
}

func TestServersAnswerAndGo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pg, err := StartPostgres(ctx, PostgresOptions{Settings: map[string]string{"work_mem": "5MB"}})
	if err != nil {
		t.Fatal(err)
	}
	redis, err := StartRedis(ctx, RedisOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{pg.Dir(), redis.Dir()} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("folder while running: %v", err)
		}
	}
	if err := errors.Join(pg.Close(), redis.Close()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{pg.Dir(), redis.Dir()} {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder %s after Close: %v, want it gone", dir, err)
		}
	}
	if err := pg.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// Two servers that run at the same time are independent.
func TestTwoRedisAtOnce(t *testing.T) {
	t.Parallel()
	start := func() *Redis {
		r, err := StartRedis(t.Context(), RedisOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
		return r
	}
	a, b := start(), start()
	if a.Addr() == b.Addr() {
		t.Errorf("both at %s", a.Addr())
	}
}

// If a process is killed, none of its servers or folders remain.
func TestNothingSurvivesKill(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for s := bufio.NewScanner(out); len(lines) < 3 && s.Scan(); {
		lines = append(lines, s.Text())
	}
	if len(lines) < 3 {
		t.Fatalf("child printed %q", lines)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed" is expected

	eventually(t, "folders are removed", func() bool {
		_, pg := os.Stat(lines[0])
		_, redis := os.Stat(lines[1])
		return errors.Is(pg, os.ErrNotExist) && errors.Is(redis, os.ErrNotExist)
	})
	eventually(t, "redis is gone", func() bool {
		conn, err := net.Dial("tcp", lines[2])
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

func TestStartErrorsSayWhy(t *testing.T) {
	t.Parallel()
	_, err := StartPostgres(t.Context(), PostgresOptions{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("postgres: %v, want the server's own message", err)
	}
	_, err = StartRedis(t.Context(), RedisOptions{Config: []string{"no-such-setting 1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Errorf("redis: %v, want the server's own message", err)
	}
}

func TestMissingServer(t *testing.T) {
	t.Setenv("HALOSYNC_REDIS_SERVER", filepath.Join(t.TempDir(), "redis-server"))
	t.Setenv("HALOSYNC_POSTGRES_BIN", t.TempDir())
	var missing *MissingError
	if _, err := StartRedis(t.Context(), RedisOptions{}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "install it with") {
		t.Errorf("redis: %v", err)
	}
	if _, err := StartPostgres(t.Context(), PostgresOptions{}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "install it with") {
		t.Errorf("postgres: %v", err)
	}
	if err := Check(); !errors.As(err, &missing) {
		t.Errorf("Check: %v", err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

func signalContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
}
