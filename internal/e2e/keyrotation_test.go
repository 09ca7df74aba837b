package halosync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
)

// keysetCommand runs enqueue keyset with a key set and returns what it prints.
func (s *site) keysetCommand(keyset string, args ...string) string {
	s.t.Helper()
	own := *s
	own.keyset = keyset
	return strings.TrimSpace(own.must(append([]string{"keyset"}, args...)...))
}

// A rotation under running imports, worker by worker: runs that an old worker
// meets after the re-sealing wait for a new one, none fails, no attempt is
// spent, and at the end nothing needs the old key.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 300 * time.Millisecond}))
	s.extraEnv = []string{"HALOSYNC_TENANT_RUNS=20"}
	s.tenant.Seed(1_500, 7)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		s.must(s.adding(name)...)
	}
	old := s.startWorker(s.keyset)
	var runs []string
	request := func(name string) {
		runs = append(runs, decode[run](t, s.must("import", "--connection", name, "--all", "-o", "json")).ID)
	}
	request("a")
	s.eventually("the first import is under way", func() bool { return s.pages(runs[0]) >= 2 })

	before := s.keyset
	rotated := s.keysetCommand(before, "rotate")
	s.extraEnv = append(s.extraEnv, "HALOSYNC_CONCURRENCY=1") // so that the old worker takes most
	fresh := s.startWorker(rotated)
	sealed := func() (stale int) {
		return repotest.Value[int](t, s.db, `select count(distinct substring(secret_sealed from 1 for 6)) from halosync.connections`)
	}
	s.eventually("everything is sealed anew", func() bool {
		return sealed() == 1 && strings.Contains(fresh.log.String(), "credentials sealed anew with the primary key")
	})
	s.must(s.adding("late")...) // a CLI that has the old set still
	for _, name := range append(names[1:], "late") {
		request(name)
	}
	s.eventually("the old worker meets the new key", func() bool { return strings.Contains(old.log.String(), "give this worker or command the new key set") })

	s.keyset = rotated
	s.extraEnv = s.extraEnv[:1]
	second := s.startWorker(s.keyset)
	old.stop(t)
	for _, id := range runs {
		s.eventually("run "+id+" has ended", func() bool { r := s.run(id); return r.State != "running" && r.State != "queued" })
		if r := s.run(id); r.State != "succeeded" || r.Records != 1_500 || r.Error != "" {
			t.Errorf("run: %+v", r)
		}
	}
	if n := repotest.Value[int](t, s.db, `select count(*) from halosync.connections where state <> 'active'`); n != 0 {
		t.Errorf("%d connections need a person", n)
	}
	for line := range strings.Lines(old.log.String() + fresh.log.String() + second.log.String()) {
		if strings.Contains(line, `"msg":"task"`) && !strings.Contains(line, `"attempt":1,`) {
			t.Errorf("an attempt was spent: %s", line)
		}
	}
	s.eventually("what the late CLI sealed is sealed anew", func() bool { return sealed() == 1 })
	pruned := s.keysetCommand(s.keyset, "prune")
	type key struct{ Role string }
	if keys := decode[[]key](t, s.keysetCommand(pruned, "status", "-o", "json")); len(keys) != 1 || keys[0].Role != "primary" {
		t.Errorf("the pruned set: %+v", keys)
	}
	s.keyset = pruned
	s.must("connection", "test", "late")
	fresh.stop(t)
	second.stop(t)
}
