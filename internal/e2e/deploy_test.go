package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// KEDA scales the workers by the lengths of the asynq lists that are named in its
// configuration file. The file lists every queue.
func TestQueuesAreScaledBy(t *testing.T) {
	t.Parallel()
	const connection = "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6"
	in := installation.New(t)
	queue, err := tasks.Open(in.Redis)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = queue.Close() }()
	_, err = queue.Import(t.Context(), tasks.ImportArgs{Tenant: "msp-1", ConnectionID: connection, All: true})
	_, err2 := queue.Resync(t.Context(), tasks.ResyncArgs{Tenant: "msp-1", ConnectionID: connection, Scheduled: true})
	_, err3 := queue.Unmap(t.Context(), tasks.UnmapArgs{Tenant: "msp-1", ConnectionID: connection, MappingIDs: []string{connection}})
	if err != nil || err2 != nil || err3 != nil {
		t.Fatal(err, err2, err3)
	}
	rdb := in.ConnectRedis(in.Redis)
	text := installation.ReadFile(t, "deploy/kubernetes/keda/scaling.yaml")
	lists := regexp.MustCompile(`listName: (\S+)`).FindAllStringSubmatch(text, -1)
	for _, list := range lists {
		if n := rdb.LLen(t.Context(), list[1]).Val(); n != 1 {
			t.Errorf("list %s has %d tasks, want 1", list[1], n)
		}
	}
	if want := len(rdb.SMembers(t.Context(), "asynq:queues").Val()); len(lists) != want || want < 3 {
		t.Errorf("%d lists for %d queues", len(lists), want)
	}
}

// The expression programs matches a command line of worker or enqueue in a file.
var programs = regexp.MustCompile(`(?m)^(?:ExecStart=/usr/local/bin/|release: bin/|worker: bin/)(worker)(.*)$`)

// Every command in Procfile and the systemd units exists.
func TestDeployedCommandsExist(t *testing.T) {
	t.Parallel()
	var found []string
	for _, path := range []string{"Procfile", "deploy/systemd/halosync-migrate.service", "deploy/systemd/halosync-worker.service"} {
		for _, m := range programs.FindAllStringSubmatch(installation.ReadFile(t, path), -1) {
			found = append(found, m[1]+m[2])
			cmd := exec.Command(installation.Program(t, m[1]), append(strings.Fields(m[2]), "--help")...)
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", m[0], err, said)
			}
		}
	}
	slices.Sort(found)
	if want := []string{"worker", "worker", "worker migrate", "worker migrate --grant-to halosync_worker --grant-cli-to halosync_cli"}; !slices.Equal(found, want) {
		t.Errorf("commands %q, want %q", found, want)
	}
}

// TestComposeWithoutContainers does the same as deploy/compose.yml, without
// containers. The script creates the secrets, Postgres runs the SQL on its
// first start, and the owner migrates the schema. A worker then starts with
// these files and passes the health check.
func TestComposeWithoutContainers(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	script := exec.Command(installation.RootPath(t, "deploy/secrets.sh"), dir)
	script.Env = append(os.Environ(), "ENQUEUE="+installation.Program(t, "enqueue"))
	if said, err := script.CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, said)
	}
	compose := installation.ReadFile(t, "deploy/compose.yml")
	mounted := regexp.MustCompile(`file: \./secrets/(\S+)\}`).FindAllStringSubmatch(compose, -1)
	for _, m := range mounted {
		if info, err := os.Stat(filepath.Join(dir, m[1])); err != nil || info.Mode().Perm() != 0o444 {
			t.Errorf("secret %s: %v %v", m[1], info, err)
		}
	}
	if len(mounted) != 10 {
		t.Errorf("compose.yml mounts %d secrets", len(mounted))
	}
	if again, err := exec.Command(installation.RootPath(t, "deploy/secrets.sh"), dir).CombinedOutput(); err != nil || !strings.Contains(string(again), "already") {
		t.Errorf("secrets.sh a second time: %v %s", err, again)
	}

	server := repotest.Server(t, nil)
	sql := strings.ReplaceAll(installation.ReadFile(t, "deploy/postgres-init.sql"), "/run/secrets", dir)
	pgProgram(in, server.URL(), "psql", "-X", "-v", "ON_ERROR_STOP=1", "--command", "select 1", "--file", in.File("init.sql", sql))

	// Replace the servers in the URLs and keep everything else.
	elsewhere := func(name, role string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(text), "postgres://"+role+":") || !strings.HasSuffix(string(text), "@postgres:5432/halosync\n") {
			t.Fatalf("%s: %q %v", name, text, err)
		}
		path := in.File(name, server.URLAs(role, "halosync"))
		if err := os.Chmod(path, 0o444); err != nil {
			t.Fatal(err)
		}
		return path
	}
	shared := "HALOSYNC_SECRET_FILES=" + strings.TrimSpace(regexp.MustCompile(`HALOSYNC_SECRET_FILES: (.*)`).FindStringSubmatch(compose)[1])
	in.Env = []string{"DATABASE_URL=", "DATABASE_URL_FILE=" + elsewhere("owner-url", "halosync_owner"), "HALOSYNC_KEYSET=", shared}
	in.Work(0, "migrate", "--grant-to", "halosync_worker", "--grant-cli-to", "halosync_cli")
	in.Env = []string{"DATABASE_URL=", "DATABASE_URL_FILE=" + elsewhere("cli-url", "halosync_cli"), shared}
	in.Must("apikey", "new", "console", "--scope", "admin")
	in.Env = []string{"DATABASE_URL=", "DATABASE_URL_FILE=" + elsewhere("database-url", "halosync_worker"), shared}
	keyset, err := os.ReadFile(filepath.Join(dir, "keyset"))
	if err != nil {
		t.Fatal(err)
	}
	w := in.StartWorkerWith(strings.TrimSpace(string(keyset)))
	if said := in.Work(1, "probe"); !strings.Contains(said, "no worker answers") {
		t.Errorf("probe without a worker: %s", said)
	}
	in.Env = append(in.Env, "HALOSYNC_HTTP_ADDR="+w.HTTP, "HALOSYNC_METRICS_ADDR=off")
	if said := in.Work(0, "probe"); !strings.Contains(said, "ready") {
		t.Errorf("probe: %s", said)
	}
	in.Env = append(in.Env, "HALOSYNC_METRICS_ADDR="+w.Metrics)
	if said := in.Work(0, "probe"); !strings.Contains(said, "postgres: ok") {
		t.Errorf("probe of the metrics listener: %s", said)
	}
	if log := w.Log.String(); strings.Contains(log, `"level":"warn"`) && !strings.Contains(log, "redis: ") {
		t.Errorf("the worker warns: %s", log)
	}
	w.Stop(t)
	in.Work(1, "probe")
}
