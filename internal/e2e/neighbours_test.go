package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Hostile tenants share a worker with good tenants that read and write. The hostile
// tenants have Halos that send large answers, send their requests slowly, hold their lock,
// or send wrong keys. No valid request of a good tenant is refused, and the memory for
// answers and bodies stays within its budget.
//
// The long form has 90 good tenants and 10 hostile ones. In the same run, it measures the
// requests of the good tenants with and without the attack: the 99th percentile at most
// doubles. The worker is built without the race detector, and its memory stays below 400
// MiB.
func TestHostileNeighbours(t *testing.T) {
	if !installation.Long() {
		t.Parallel()
	}
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(50, 7)
	good, evil := 8, 4
	if installation.Long() {
		good, evil = 90, 10
		in.WorkerFile = withoutRace(t)
	}
	w := in.StartWorker()
	n := &neighbourhood{in: in, w: w, store: in.Store(), bomb: newBomb(t)}
	for i := range good {
		n.good = append(n.good, n.tenant(fmt.Sprint("good-", i), in.Halo.URL()))
	}
	for i := range evil {
		n.evil = append(n.evil, n.tenant(fmt.Sprint("evil-", i), n.bomb.URL))
	}
	n.round(4, 0) // connections are open, keys are known
	if !installation.Long() {
		end := n.attack()
		n.round(20, 0)
		end()
	} else {
		var alone, beside []time.Duration
		for range 3 { // in turn, because the speed of the machine may change
			alone = append(alone, n.round(5, 4*time.Second)...)
			end := n.attack()
			beside = append(beside, n.round(5, 4*time.Second)...)
			end()
		}
		n.judge(alone, beside)
	}
	w.Stop(t)
}

// withoutRace builds the worker without the race detector, which would need several times
// the memory.
func withoutRace(t *testing.T) string {
	t.Helper()
	root, err := devstack.Root()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "worker")
	cmd := exec.Command("go", "build", "-o", file, "./cmd/worker")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// neighbourhood is one worker with tenants of both kinds.
type neighbourhood struct {
	in         *installation.Installation
	w          *installation.Worker
	store      *repo.Store
	bomb       *httptest.Server
	good, evil []neighbour
}

// neighbour is a tenant with a connection, mappings and a key.
type neighbour struct{ tenant, key string }

// tenant creates a tenant whose Halo is at an address.
func (n *neighbourhood) tenant(name, halo string) neighbour {
	t := n.in.T
	t.Helper()
	conn, err := n.store.AddConnection(t.Context(), name, "test", repo.NewConnection{
		Name: "halo", Domain: halo + "/api", AuthServer: halo + "/auth", ClientID: installation.ClientID, Secret: secret.NewString(n.in.Secrets.Client),
	})
	if err != nil {
		t.Fatal(err)
	}
	repotest.MapClients(t, n.in.DB, conn, 1, 60)
	_, key, err := access.NewKey(t.Context(), n.store, name, "test", "load", access.Write, 0)
	if err != nil {
		t.Fatal(err)
	}
	n.in.KeepAccess(key.Reveal())
	return neighbour{name, key.Reveal()}
}

// transport keeps a connection for each caller.
var transport = &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}

// request sends a request to the worker and reads the answer. It returns status 0 if there
// is no answer.
func (n *neighbourhood) request(ctx context.Context, method, path, key, body string, headers ...string) (status int, answer string) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+n.w.HTTP+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// round lets each good tenant send some requests, one in each interval of the duration
// every. It returns how long the requests took. Each request must succeed.
func (n *neighbourhood) round(requests int, every time.Duration) (took []time.Duration) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, who := range n.good {
		all.Go(func() {
			start := time.Now().Add(every * time.Duration(i) / time.Duration(len(n.good)))
			for j := range requests {
				if wait := time.Until(start.Add(every * time.Duration(j))); wait > 0 {
					<-time.After(wait)
				}
				method, path, body, want := http.MethodGet, "/api/v1/mappings?limit=50", "", http.StatusOK
				switch (i + j) % 5 {
				case 1:
					path = "/api/v1/companies?limit=50"
				case 2:
					path = "/api/v1/connections/halo"
				case 3:
					path = "/api/v1/connections/halo/clients"
				case 4:
					method, path, want = http.MethodPost, "/api/v1/companies", http.StatusCreated
					body = fmt.Sprintf(`{"name": "Company %s"}`, rand.Text())
				}
				began := time.Now()
				status, answer := n.request(n.in.T.Context(), method, path, who.key, body)
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				if status != want {
					n.in.T.Errorf("%s: %s %s: %d %.300s", who.tenant, method, path, status, answer)
				}
			}
		})
	}
	all.Wait()
	return took
}

// attack lets each hostile tenant attack in one way, with many requests at the same time,
// until end is called. The attackers ignore Retry-After. The function attack returns once
// the attack has taken effect. The function end returns once all resources have been
// released.
func (n *neighbourhood) attack() (end func()) {
	ctx, cancel := context.WithCancel(n.in.T.Context())
	var all sync.WaitGroup
	var locks []*pgx.Conn
	for i, who := range n.evil {
		ways := []func(context.Context, neighbour){n.readLarge, n.sendSlowly, n.writeLocked, n.tryKeys}
		way := ways[i%len(ways)]
		if i%len(ways) == 2 {
			locks = append(locks, n.holdLock(who))
		}
		for j := range 20 {
			all.Go(func() {
				pause := time.Duration(i*20+j) * 20 * time.Millisecond // the attackers start at different times
				for {
					select { // the attackers share the machine with the worker
					case <-time.After(pause):
					case <-ctx.Done():
						return
					}
					way(ctx, who)
					pause = time.Second
				}
			})
		}
	}
	n.in.Eventually("the attack is at work", func() bool {
		used := n.used()
		return used["memory"] > 0 && used["requests"] > int64(len(n.evil)) && n.lockWaits() > 0
	})
	return func() {
		cancel()
		all.Wait()
		for _, conn := range locks {
			_ = conn.Close(context.Background()) // an error here is harmless
		}
		n.in.Eventually("everything is given back", func() bool {
			for name, used := range n.used() {
				if used != 0 && name != "postgres" { // metrics and probes use connections, too
					return false
				}
			}
			return true
		})
	}
}

func (n *neighbourhood) readLarge(ctx context.Context, who neighbour) {
	status, _ := n.request(ctx, http.MethodGet, "/api/v1/connections/halo/clients", who.key, "")
	n.mustBe(ctx, "large answers", status, 200, 429, 502, 503, 504)
}

// sendSlowly announces a body of one megabyte and sends single bytes of it with pauses.
func (n *neighbourhood) sendSlowly(ctx context.Context, who neighbour) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.w.HTTP)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	fmt.Fprintf(conn, "POST /api/v1/companies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", who.key)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C {
		if _, err := conn.Write([]byte{' '}); err != nil || ctx.Err() != nil {
			return
		}
	}
}

func (n *neighbourhood) writeLocked(ctx context.Context, who neighbour) {
	status, _ := n.request(ctx, http.MethodPost, "/api/v1/companies", who.key, fmt.Sprintf(`{"name": "Company %s"}`, rand.Text()))
	n.mustBe(ctx, "writes under a lock", status, 429, 503)
}

// holdLock takes the lock of a tenant. Every role that may connect to the database can do
// this.
func (n *neighbourhood) holdLock(who neighbour) *pgx.Conn {
	t := n.in.T
	conn, err := pgx.Connect(t.Context(), n.in.DB)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `select pg_advisory_lock(hashtextextended('halosync tenant ' || $1, 0))`, who.tenant); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (n *neighbourhood) lockWaits() int {
	return repotest.Value[int](n.in.T, n.in.DB, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
}

// tryKeys sends a wrong key, each time from another address.
func (n *neighbourhood) tryKeys(ctx context.Context, who neighbour) {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	wrong := who.key[:len(who.key)-10] + rand.Text()[:10]
	status, _ := n.request(ctx, http.MethodGet, "/api/v1/mappings", wrong, "", "X-Forwarded-For", net.IP(b[:]).String())
	n.mustBe(ctx, "wrong keys", status, 401, 429)
}

// mustBe fails the test if an attacker gets an unexpected answer.
func (n *neighbourhood) mustBe(ctx context.Context, what string, status int, allowed ...int) {
	if ctx.Err() == nil && !slices.Contains(allowed, status) {
		n.in.T.Errorf("%s: status %d", what, status)
	}
}

var bulkheadLine = regexp.MustCompile(`(?m)^halosync_bulkhead_(used|size)\{bulkhead="(\w+)"\} (\S+)$`)

// used returns the number of units in use of each bulkhead. The number must not exceed the
// bulkhead's size.
func (n *neighbourhood) used() map[string]int64 {
	used, size := map[string]int64{}, map[string]int64{}
	for _, m := range bulkheadLine.FindAllStringSubmatch(n.w.Page(n.in.T, "/metrics"), -1) {
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			n.in.T.Fatal(err)
		}
		if m[1] == "used" {
			used[m[2]] = int64(value)
		} else {
			size[m[2]] = int64(value)
		}
	}
	for name := range used {
		if used[name] > size[name] || size[name] == 0 {
			n.in.T.Errorf("%s: %d of %d in use", name, used[name], size[name])
		}
	}
	return used
}

// judge compares the durations during the attack with those without it.
func (n *neighbourhood) judge(alone, beside []time.Duration) {
	t := n.in.T
	rank := func(all []time.Duration, percent int) time.Duration {
		slices.Sort(all)
		return all[min(len(all)-1, len(all)*percent/100)]
	}
	memory := n.w.PeakMemory(t) >> 20
	for _, p := range []int{50, 99} {
		t.Logf("p%d of %d requests: %v alone, %v during the attack: %.2f times as long", p, len(beside), rank(alone, p), rank(beside, p), float64(rank(beside, p))/float64(rank(alone, p)))
	}
	t.Logf("peak memory of the worker: %d MiB", memory)
	if rank(beside, 99) > 2*rank(alone, 99) {
		t.Errorf("p99 is %v beside the attack and %v alone, want at most twice as much", rank(beside, 99), rank(alone, 99))
	}
	if memory > 400 {
		t.Errorf("peak memory of %d MiB, want at most 400", memory)
	}
}

// newBomb starts a Halo whose lists have 31 MiB and are compressed to about 30 KB.
func newBomb(t *testing.T) *httptest.Server {
	t.Helper()
	zip := func(text string) []byte {
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		_, _ = io.WriteString(z, text) // a buffer never fails
		_ = z.Close()
		return zipped.Bytes()
	}
	zipped := slices.Concat( // the parts of a gzip file can be gzip files
		zip(`{"record_count":1,"clients":[{"id":1,"name":"x","logo":"`), slices.Repeat(zip(strings.Repeat("A", 1<<20)), 31), zip(`"}]}`))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"bomb-token-0123456789","token_type":"Bearer","expires_in":3600}`)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(zipped) // fails if the worker has given up
	}))
	t.Cleanup(s.Close)
	return s
}
