package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
)

// These credentials are valid only for the simulated Halo PSA.
const (
	appID     = "4f1c2a9e-demo"
	appSecret = "demo-secret-of-no-value"
)

// The Postgres roles of worker and CLI.
const (
	workerRole = "halosync_worker"
	cliRole    = "halosync_cli"
)

// stage holds everything that the demo has started.
type stage struct {
	bin, dir string // folder of the programs; temporary folder with the key set and the log
	postgres *devstack.Postgres
	redis    *devstack.Redis
	halo     *halotest.Halo
	worker   *exec.Cmd
	exited   chan struct{} // closed when the worker has ended
	opsAddr  string
	metrics  string // address of the metrics
	key      string // key for the console; valid only during this demo, so it may be shown
}

// newStage starts the servers and the simulator. If one fails to start,
// newStage stops the others.
func newStage(ctx context.Context, bin string, clients int) (d *stage, err error) {
	d = &stage{bin: bin}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = os.MkdirTemp("", "halosync-demo-"); err != nil {
		return nil, err
	}
	say("starting a private Postgres and a private Redis")
	if d.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresOptions{}); err != nil {
		return nil, err
	}
	if d.redis, err = devstack.StartRedis(ctx, devstack.RedisOptions{Durable: true}); err != nil {
		return nil, err
	}
	d.halo = halotest.New(halotest.WithProfile(demoProfile()))
	tenant := d.halo.Tenant("")
	tenant.App(appID, appSecret)
	tenant.Seed(clients, 1)
	if err := d.halo.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	say("starting a simulated Halo PSA with %d clients at %s", tenant.Len(), d.halo.URL())
	if d.opsAddr, err = freeAddr(ctx); err != nil {
		return nil, err
	}
	if d.metrics, err = freeAddr(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// demoProfile returns the profile of a hosted Halo, slowed down so that
// progress is visible.
func demoProfile() halotest.Profile {
	return halotest.Profile{Latency: 250 * time.Millisecond}
}

// play runs the demo. Each step is a command as a person would type it.
func (d *stage) play(ctx context.Context) error {
	keyset, err := d.capture(ctx, "enqueue", "keyset", "new")
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.keysetFile(), []byte(keyset), 0o600); err != nil {
		return err
	}
	if err := d.migrate(ctx); err != nil {
		return err
	}
	if err := d.startWorker(ctx); err != nil {
		return err
	}
	if d.key, err = d.opsKey(ctx); err != nil {
		return err
	}
	d.showConsole()
	link, twice := d.familiarNames()
	steps := [][]string{
		{"connection", "add", "demo", "--domain", d.halo.ResourceServer(), "--auth-server", d.halo.AuthServer(),
			"--client-id", appID, "--client-secret-file", "-"},
		append([]string{"companies", "add"}, link, twice, strings.ToUpper(twice)),
		{"import", "--connection", "demo", "--all", "--wait"},
		{"mappings", "--limit", "10"},
	}
	if err := d.perform(ctx, steps); err != nil {
		return err
	}
	say("in Halo, one client is renamed, one deactivated and one deleted")
	d.changeHalo()
	return d.perform(ctx, [][]string{
		{"resync", "--connection", "demo", "--wait"},
		{"mappings", "--limit", "3"},
	})
}

// migrate creates the schema as the owner of the tables and gives worker and
// CLI roles with fewer rights, as docs/security.md advises.
func (d *stage) migrate(ctx context.Context) error {
	for _, role := range []string{workerRole, cliRole} {
		if err := d.postgres.CreateRole(ctx, role); err != nil {
			return err
		}
	}
	cmd := d.asOwner(ctx, "worker", "migrate", "--grant-to", workerRole, "--grant-cli-to", cliRole)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// opsKey creates a key for the console. The key has the scope ops, so that it
// also shows the queues. Only the owner of the tables can create such a key.
func (d *stage) opsKey(ctx context.Context) (string, error) {
	cmd := d.asOwner(ctx, "enqueue", "apikey", "new", "demo", "--scope", "ops")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func (d *stage) asOwner(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := d.program(ctx, name, args...)
	cmd.Env = append(cmd.Env, "DATABASE_URL="+d.postgres.URL()) // the last value applies
	return cmd
}

// changeHalo makes changes in Halo that a resync must detect.
func (d *stage) changeHalo() {
	tenant := d.halo.Tenant("")
	var active []halotest.Client
	for _, c := range tenant.Clients()[1:] {
		if !c.Inactive {
			active = append(active, c)
		}
	}
	tenant.Rename(active[10].ID, active[10].Name+" (renamed)")
	tenant.Deactivate(active[20].ID)
	tenant.Delete(active[30].ID)
}

// perform runs the commands in order.
func (d *stage) perform(ctx context.Context, steps [][]string) error {
	for _, args := range steps {
		say("enqueue %s", quoted(args))
		// Exit code 3 (done, but some clients need a person's attention) is
		// expected here, because the data is realistic.
		if err := d.command(ctx, "enqueue", args...); err != nil && exitCode(err) != 3 {
			return err
		}
	}
	return nil
}

// familiarNames returns the names of two active clients, for companies that the
// product already has. One company has the same name as the first client, so
// the import links it. Two companies have the same name as the second client,
// so a person must decide.
func (d *stage) familiarNames() (link, twice string) {
	var names []string
	for _, c := range d.halo.Tenant("").Clients() {
		if !c.Inactive && len(c.Name) < 40 && strings.ToUpper(c.Name) != c.Name && strings.HasSuffix(c.Name, " Ltd") {
			names = append(names, c.Name)
		}
	}
	return names[0], names[1]
}

// settings returns the environment of worker or CLI, depending on the role. It
// overrides any server addresses in the caller's environment.
func (d *stage) settings(role string) []string {
	return []string{
		"DATABASE_URL=" + d.postgres.URLAs(role, "postgres"), "REDIS_URL=" + d.redis.URL(),
		"HALOSYNC_KEYSET_FILE=" + d.keysetFile(), "HALOSYNC_TENANT=demo-msp",
		"HALOSYNC_ALLOW_HOSTS=127.0.0.1", "HALOSYNC_HTTP_ADDR=" + d.opsAddr, "HALOSYNC_METRICS_ADDR=" + d.metrics,
		"DATABASE_URL_FILE=", "REDIS_URL_FILE=", "HALOSYNC_KEYSET=", "HALOSYNC_RATE_LIMIT=700/5m", "HALOSYNC_PUBLIC_URL=", "HALOSYNC_TRUSTED_PROXIES=",
	}
}

func (d *stage) keysetFile() string { return filepath.Join(d.dir, "keyset") }
func (d *stage) workerLog() string  { return filepath.Join(d.dir, "worker.log") }

// command runs a program in this terminal, with the client secret on its
// standard input.
func (d *stage) command(ctx context.Context, name string, args ...string) error {
	cmd := d.program(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func (d *stage) capture(ctx context.Context, name string, args ...string) (string, error) {
	cmd := d.program(ctx, name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func (d *stage) program(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, name), args...) //nolint:gosec // one of this repository's programs
	role := cliRole
	if name == "worker" {
		role = workerRole
	}
	cmd.Env = append(os.Environ(), d.settings(role)...)
	cmd.Stdin = strings.NewReader(appSecret + "\n")
	return cmd
}

// startWorker starts the worker and waits until it is ready.
func (d *stage) startWorker(ctx context.Context) error {
	say("starting a worker")
	log, err := os.OpenFile(d.workerLog(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.worker = d.program(context.WithoutCancel(ctx), "worker")
	d.worker.Stdout, d.worker.Stderr = log, log
	// The worker has its own process group, so that Ctrl-C does not reach it
	// and close can stop everything in the right order.
	d.worker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.worker.Start(); err != nil {
		return err
	}
	d.exited = make(chan struct{})
	go func() {
		_ = d.worker.Wait() // the log shows the reason
		close(d.exited)
	}()
	return d.awaitReady(ctx)
}

func (d *stage) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.opsAddr+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-d.exited:
			log, _ := os.ReadFile(d.workerLog())
			return fmt.Errorf("worker ended: %s", log)
		case <-ctx.Done():
			return fmt.Errorf("worker is not ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// showConsole prints the console's address and its key.
func (d *stage) showConsole() {
	say("the console is at http://%s/; sign in with this demo's key\n  %s", d.opsAddr, d.key)
}

// invite prints what to try while everything is running.
func (d *stage) invite() {
	fmt.Println("\nEverything keeps running until Ctrl-C.")
	d.showConsole()
	fmt.Println("\nThe worker's other pages:")
	for _, page := range []string{d.opsAddr + "/asynqmon/ (the queues, with the same key)", d.metrics + "/readyz", d.metrics + "/metrics"} {
		fmt.Printf("  http://%s\n", page)
	}
	fmt.Printf("  its log: %s\n\nIn another terminal, paste:\n", d.workerLog())
	for _, setting := range d.settings(cliRole) {
		if name, value, _ := strings.Cut(setting, "="); value != "" {
			fmt.Printf("  export %s='%s'\n", name, value)
		}
	}
	for _, args := range []string{
		"clients --connection demo --search bakery", "import --connection demo --search group --dry-run --wait",
		"import --connection demo --all --wait", "mappings --search consulting", "mappings --state missing",
		"companies list --unmapped", "resync --connection demo --wait", "schedule list", "events --limit 5", "runs list",
	} {
		fmt.Printf("  %s %s\n", filepath.Join(d.bin, "enqueue"), args)
	}
}

// close stops everything in reverse order.
func (d *stage) close() error {
	var errs []error
	if d.worker != nil && d.worker.Process != nil {
		_ = d.worker.Process.Signal(syscall.SIGTERM) // the worker may already have ended
		select {
		case <-d.exited:
		case <-time.After(20 * time.Second):
			errs = append(errs, errors.New("worker did not stop within 20 s"), d.worker.Process.Kill())
		}
	}
	if d.halo != nil {
		d.halo.Close()
	}
	for _, c := range []io.Closer{d.redis, d.postgres} {
		if c != (*devstack.Redis)(nil) && c != (*devstack.Postgres)(nil) {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

func say(format string, args ...any) { fmt.Printf("\n▸ "+format+"\n", args...) }

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// freeAddr returns a free address.
func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// quoted returns arguments as a person would type them.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if words[i] = a; strings.ContainsAny(a, " '\"&$") {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
