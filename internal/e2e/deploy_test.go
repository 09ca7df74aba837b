package halosync_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// deployFiles yields the text of each file in deploy/.
func deployFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("deploy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == "secrets" {
			return errorOr(err, fs.SkipDir)
		}
		if entry.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func errorOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// What the files set is what the programs read: a setting that was renamed or
// mistyped would be without effect, and nobody would say so.
func TestDeployedSettingsExist(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("internal/config/config.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`env:"([A-Z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		known[m[1]] = true
	}
	for _, secret := range []string{"DATABASE_URL", "REDIS_URL", "HALOSYNC_KEYSET"} {
		known[secret+"_FILE"] = known[secret]
	}
	setting := regexp.MustCompile(`\b(?:HALOSYNC|DATABASE|REDIS)_[A-Z_]+\b`)
	set := 0
	for path, text := range deployFiles(t) {
		for _, name := range setting.FindAllString(text, -1) {
			if set++; !known[name] {
				t.Errorf("%s sets %s, which internal/config does not know", path, name)
			}
		}
	}
	if set < 15 {
		t.Errorf("%d settings were found", set)
	}
}

// KEDA counts what waits in the lists of asynq's that its file names; each
// queue is among them.
func TestQueuesAreScaledBy(t *testing.T) {
	t.Parallel()
	const connection = "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6"
	s := newSite(t)
	queue, err := tasks.Open(s.redis)
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
	rdb := s.connectRedis(s.redis)
	text := deployFiles(t)["deploy/kubernetes/keda/scaling.yaml"]
	lists := regexp.MustCompile(`listName: (\S+)`).FindAllStringSubmatch(text, -1)
	for _, list := range lists {
		if n := rdb.LLen(t.Context(), list[1]).Val(); n != 1 {
			t.Errorf("%s: %d tasks wait in it, want 1", list[1], n)
		}
	}
	if want := len(rdb.SMembers(t.Context(), "asynq:queues").Val()); len(lists) != want || want < 3 {
		t.Errorf("%d lists for %d queues", len(lists), want)
	}
}

// programs is a command line of the programs' in a file.
var programs = regexp.MustCompile(`(?m)^(?:ExecStart=/usr/local/bin/|release: bin/|worker: bin/)(worker)(.*)$`)

// The commands of Procfile and units are ones that the programs know.
func TestDeployedCommandsExist(t *testing.T) {
	t.Parallel()
	files := deployFiles(t)
	procfile, err := os.ReadFile("Procfile")
	if err != nil {
		t.Fatal(err)
	}
	files["Procfile"] = string(procfile)
	var found []string
	for _, text := range files {
		for _, m := range programs.FindAllStringSubmatch(text, -1) {
			found = append(found, m[1]+m[2])
			cmd := exec.Command(filepath.Join(kit.bin, m[1]), append(strings.Fields(m[2]), "--help")...)
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", m[0], err, said)
			}
		}
	}
	slices.Sort(found)
	if want := []string{"worker", "worker", "worker migrate", "worker migrate --grant-to halosync_worker"}; !slices.Equal(found, want) {
		t.Errorf("commands %q, want %q", found, want)
	}
}

// The way of deploy/compose.yml without its containers: the script makes the
// secrets, Postgres' first start runs the SQL, the owner migrates, and a worker
// starts from the files and says so to the health check.
func TestComposeWithoutContainers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	script := exec.Command("deploy/secrets.sh", dir)
	script.Env = append(os.Environ(), "ENQUEUE="+filepath.Join(kit.bin, "enqueue"))
	if said, err := script.CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, said)
	}
	compose := deployFiles(t)["deploy/compose.yml"]
	mounted := regexp.MustCompile(`file: \./secrets/(\S+)\}`).FindAllStringSubmatch(compose, -1)
	for _, m := range mounted {
		if info, err := os.Stat(filepath.Join(dir, m[1])); err != nil || info.Mode().Perm() != 0o444 {
			t.Errorf("secret %s: %v %v", m[1], info, err)
		}
	}
	if len(mounted) != 8 {
		t.Errorf("compose.yml mounts %d secrets", len(mounted))
	}
	if again, err := exec.Command("deploy/secrets.sh", dir).CombinedOutput(); err != nil || !strings.Contains(string(again), "already") {
		t.Errorf("secrets.sh once more: %v %s", err, again)
	}

	server := repotest.Server(t, nil)
	sql := strings.ReplaceAll(deployFiles(t)["deploy/postgres-init.sql"], "/run/secrets", dir)
	pgProgram(t, "psql", "-X", "-v", "ON_ERROR_STOP=1", "--dbname", server.URL(), "--command", "select 1", "--file", s.file("init.sql", sql))

	// The servers are elsewhere; the rest of the addresses stays.
	elsewhere := func(name, role string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(text), "postgres://"+role+":") || !strings.HasSuffix(string(text), "@postgres:5432/halosync\n") {
			t.Fatalf("%s: %q %v", name, text, err)
		}
		return s.file(name, server.URLAs(role, "halosync"))
	}
	s.extraEnv = []string{"DATABASE_URL=", "DATABASE_URL_FILE=" + elsewhere("owner-url", "halosync_owner"), "HALOSYNC_KEYSET="}
	s.work(0, "migrate", "--grant-to", "halosync_worker")
	s.extraEnv = []string{"DATABASE_URL=", "DATABASE_URL_FILE=" + elsewhere("database-url", "halosync_worker")}
	keyset, err := os.ReadFile(filepath.Join(dir, "keyset"))
	if err != nil {
		t.Fatal(err)
	}
	w := s.startWorker(strings.TrimSpace(string(keyset)))
	if said := s.work(1, "probe"); !strings.Contains(said, "no worker answers") {
		t.Errorf("probe of nobody: %s", said)
	}
	s.extraEnv = append(s.extraEnv, "HALOSYNC_HTTP_ADDR="+w.http)
	if said := s.work(0, "probe"); !strings.Contains(said, "postgres: ok") {
		t.Errorf("probe: %s", said)
	}
	if log := w.log.String(); strings.Contains(log, `"level":"warn"`) && !strings.Contains(log, "redis: ") {
		t.Errorf("the worker warns: %s", log)
	}
	w.stop(t)
	s.work(1, "probe")
}

// file writes a file of the test's.
func (s *site) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// work runs a command of the worker's and wants its exit code.
func (s *site) work(code int, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(kit.bin, "worker"), args...)
	cmd.Env = append(os.Environ(), s.env()...)
	said, _ := cmd.CombinedOutput() // the exit code says it
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("worker %v: exit code %d, want %d\n%s", args, got, code, said)
	}
	s.left.add("outputs and errors", string(said))
	return string(said)
}
