package halosync_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/devstack"
)

// privateRedis starts a Redis that the test's end stops.
func privateRedis(t *testing.T, opts devstack.RedisOptions) *devstack.Redis {
	t.Helper()
	r, err := devstack.StartRedis(t.Context(), opts)
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

// workerFails starts a worker that does not come up, and returns what it says.
func (s *site) workerFails() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(kit.bin, "worker"))
	cmd.Env = append(os.Environ(), s.env()...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		s.t.Errorf("worker: %v, want exit code 1\n%s", err, out)
	}
	return string(out)
}

// A Redis that would throw tasks away is refused by name; one that forgets at a
// restart is used, and told about.
func TestWorkerLooksAtRedis(t *testing.T) {
	t.Parallel()
	r := privateRedis(t, devstack.RedisOptions{Config: []string{"maxmemory-policy allkeys-lru"}})
	s := newSite(t, fast)
	s.redis = r.URL()
	if out := s.workerFails(); !strings.Contains(out, "maxmemory-policy is allkeys-lru") || !strings.Contains(out, "set maxmemory-policy noeviction") {
		t.Errorf("worker says:\n%s", out)
	}
	if _, err := r.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "noeviction"); err != nil {
		t.Fatal(err)
	}
	w := s.startWorker(s.keyset)
	w.stop(t)
	if log := w.log.String(); !strings.Contains(log, "appendonly yes") {
		t.Errorf("no warning of a Redis without a disk:\n%s", log)
	}
}
