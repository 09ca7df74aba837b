package e2e

import (
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// keysetCommand runs "enqueue keyset" with the given key set and returns the
// output.
func keysetCommand(in *installation.Installation, keyset string, args ...string) string {
	in.T.Helper()
	own := *in
	own.Secrets.Keyset = keyset
	return strings.TrimSpace(own.Must(append([]string{"keyset"}, args...)...))
}

// Keys are rotated during imports, one worker at a time. After the credentials
// are resealed, an old worker cannot execute runs, and the runs wait for a new
// worker. No run or attempt fails. In the end, no credential needs the old key.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	const clients = 600
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"HALOSYNC_TENANT_RUNS=20"}
	in.Tenant.Seed(clients, 7)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		in.Must(in.AddCommand(name)...)
	}
	old := in.StartWorker()
	var runs []string
	request := func(name string) {
		runs = append(runs, installation.Decode[installation.Run](t, in.Must("import", "--connection", name, "--all", "-o", "json")).ID)
	}
	gate := in.Halo.Gate(halotest.Rule{Page: 3})
	request("a")
	in.Eventually("the first import has written two pages", func() bool { return in.Pages(runs[0]) == 2 })

	before := in.Secrets.Keyset
	rotated := keysetCommand(in, before, "rotate")
	in.Env = append(in.Env, "HALOSYNC_CONCURRENCY=1") // leaves most runs to the old worker
	fresh := in.StartWorkerWith(rotated)
	sealed := func() (stale int) {
		return repotest.Value[int](t, in.DB, `select count(distinct substring(secret_sealed from 1 for 6)) from halosync.connections`)
	}
	in.Eventually("everything is sealed with the new key", func() bool {
		return sealed() == 1 && strings.Contains(fresh.Log.String(), "credentials resealed with the primary key")
	})
	in.Must(in.AddCommand("late")...) // this CLI still has the old key set
	for _, name := range append(names[1:], "late") {
		request(name)
	}
	in.Eventually("the old worker reports the new key", func() bool { return strings.Contains(old.Log.String(), "give this worker or command the new key set") })

	gate.Open()
	in.Secrets.Keyset = rotated
	in.Env = in.Env[:1]
	second := in.StartWorker()
	old.Stop(t)
	for _, id := range runs {
		// Some clients share their name with several companies, so their run is partial.
		if r := in.AwaitRun(id); !r.Complete || r.Failed > 0 || r.Records != clients || r.State == "partial" && r.Ambiguous == 0 {
			t.Errorf("run: %+v", r)
		}
	}
	if n := repotest.Value[int](t, in.DB, `select count(*) from halosync.connections where state <> 'active'`); n != 0 {
		t.Errorf("%d connections need attention", n)
	}
	for line := range strings.Lines(old.Log.String() + fresh.Log.String() + second.Log.String()) {
		if strings.Contains(line, `"msg":"task"`) && !strings.Contains(line, `"attempt":1,`) {
			t.Errorf("an attempt was spent: %s", line)
		}
	}
	in.Eventually("the late CLI's credential is sealed with the new key", func() bool { return sealed() == 1 })
	pruned := keysetCommand(in, in.Secrets.Keyset, "prune")
	type key struct{ Role string }
	if keys := installation.Decode[[]key](t, keysetCommand(in, pruned, "status", "-o", "json")); len(keys) != 1 || keys[0].Role != "primary" {
		t.Errorf("the pruned set: %+v", keys)
	}
	in.Secrets.Keyset = pruned
	in.Must("connection", "test", "late")
	fresh.Stop(t)
	second.Stop(t)
}
