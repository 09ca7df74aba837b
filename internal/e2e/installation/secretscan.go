package halosync_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// leftovers is what an installation has left, by place, and the key sets, API keys
// and sessions that it had; [site.search] looks for secrets in it.
type leftovers struct {
	mu      sync.Mutex
	places  map[string]*strings.Builder
	keysets []string
	access  []string
	halos   []*halotest.Halo // besides the site's own
}

func (l *leftovers) add(place, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places == nil {
		l.places = make(map[string]*strings.Builder)
	}
	if l.places[place] == nil {
		l.places[place] = &strings.Builder{}
	}
	l.places[place].WriteString(text)
	l.places[place].WriteByte('\n')
}

// addKeyset makes a secret of a key set, too.
func (l *leftovers) addKeyset(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text = strings.TrimSpace(text); !slices.Contains(l.keysets, text) {
		l.keysets = append(l.keysets, text)
	}
}

// addAccess makes an API key or a session's cookie a secret, too.
func (l *leftovers) addAccess(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.access = append(l.access, text[strings.LastIndexByte(text, '_')+1:]) // a key's id may be seen
}

// search looks for every secret of the installation in everything that it has
// left until now, and says how many bytes it has looked at in each place.
func (s *site) search() map[string]int {
	s.t.Helper()
	places := s.everything()
	wanted := s.wanted()
	looked := make(map[string]int, len(places))
	for place, text := range places {
		looked[place] = len(text)
		for _, n := range wanted.find(text) {
			at := strings.Index(text, n.text)
			s.t.Errorf("%s is in %s (%s), after %q", n.of, place, n.form, text[max(0, at-80):at])
		}
	}
	return looked
}

// wanted are the secrets, in all forms.
func (s *site) wanted() *needles {
	s.t.Helper()
	wanted := &needles{}
	wanted.add("the client secret", canarySecret)
	wanted.add("a part of the client secret", canaryCore)
	wanted.add("the password of Postgres", canaryPassword)
	wanted.add("the password of Redis", canaryRedisPassword)
	s.left.mu.Lock()
	defer s.left.mu.Unlock()
	for _, text := range s.left.keysets {
		for _, key := range keysIn(s.t, text) {
			wanted.add("a key of the key set", key)
		}
	}
	for _, text := range s.left.access {
		wanted.add("an API key or a session", text)
	}
	wanted.add("the head of a token", tokenMark)
	for _, h := range append(s.left.halos, s.halo) {
		for _, token := range h.Tokens() {
			// Its last part: what a token is worth, and enough to find the whole.
			wanted.add("a token", token[strings.LastIndexByte(token, '.')+1:])
		}
	}
	return wanted
}

// addHalo makes secrets of the tokens of one more Halo.
func (l *leftovers) addHalo(h *halotest.Halo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.halos = append(l.halos, h)
}

// everything is what the installation has left in logs, outputs, pages,
// Postgres and Redis.
func (s *site) everything() map[string]string {
	s.t.Helper()
	places := map[string]string{"Postgres": dumpDatabase(s.t, s.db), "Redis": "", "asynqmon": ""}
	for _, address := range slices.Compact([]string{s.firstRedis, s.redis}) {
		rdb := s.connectRedis(address)
		places["Redis"] += dumpRedis(s.t, rdb)
		places["asynqmon"] += monitorPages(s.t, address)
	}
	for i, w := range s.workers {
		places[fmt.Sprint("the log of worker ", i+1)] = w.log.String()
	}
	s.left.mu.Lock()
	defer s.left.mu.Unlock()
	for place, text := range s.left.places {
		places[place] = text.String()
	}
	return places
}

// connectRedis connects to a Redis, whatever its URL looks like.
func (s *site) connectRedis(address string) redis.UniversalClient {
	s.t.Helper()
	a, err := tasks.ParseAddress(address)
	if err != nil {
		s.t.Fatal(err)
	}
	rdb := a.Connect()
	s.t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// processes yields the command line of each process.
func processes(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range paths {
		if line, err := os.ReadFile(path); err == nil { // else it has ended
			all.Write(line)
			all.WriteByte('\n')
		}
	}
	return all.String()
}

// dumpRedis returns every key with its value, and what else a client can see.
func dumpRedis(t *testing.T, rdb redis.UniversalClient) string {
	t.Helper()
	var mu sync.Mutex
	var all strings.Builder
	ctx := t.Context()
	if ctx.Err() != nil { // at a test's end
		var cancel func()
		ctx, cancel = testContext()
		defer cancel()
	}
	dump := func(c redis.Cmdable) error {
		mu.Lock()
		defer mu.Unlock()
		keys := c.Scan(ctx, 0, "*", 1000).Iterator()
		for keys.Next(ctx) {
			key := keys.Val()
			var value any
			switch kind := c.Type(ctx, key).Val(); kind {
			case "string":
				value = c.Get(ctx, key).Val()
			case "hash":
				value = c.HGetAll(ctx, key).Val()
			case "list":
				value = c.LRange(ctx, key, 0, -1).Val()
			case "set":
				value = c.SMembers(ctx, key).Val()
			case "zset":
				value = c.ZRangeWithScores(ctx, key, 0, -1).Val()
			case "stream":
				value = c.XRange(ctx, key, "-", "+").Val()
			case "none": // it has expired
			default:
				t.Errorf("Redis: key %s is a %s, which nobody looks into", key, kind)
			}
			fmt.Fprintln(&all, key, value)
		}
		if err := keys.Err(); err != nil {
			return err
		}
		fmt.Fprintln(&all, c.Info(ctx, "clients").Val(), c.SlowLogGet(ctx, -1).Val(), c.ClientList(ctx).Val())
		return nil
	}
	var err error
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error { return dump(node) })
	default:
		err = dump(c)
	}
	if err != nil {
		t.Errorf("Redis was not searched: %v", err)
	}
	return all.String()
}

// dumpDatabase returns every row of every table, as text, and the statements
// that Postgres shows.
func dumpDatabase(t *testing.T, db string) string {
	t.Helper()
	tables := repotest.Value[[]string](t, db, `
		select array_agg(format('%I.%I', schemaname, tablename)) from pg_tables
		where schemaname not in ('pg_catalog', 'information_schema')`)
	if len(tables) < 7 {
		t.Fatalf("tables %v", tables)
	}
	var parts []string
	for _, table := range append(tables, "pg_stat_activity") {
		parts = append(parts, fmt.Sprintf(`select '%s '||x::text as line from %s x`, table, table))
	}
	return repotest.Value[string](t, db, `select string_agg(line, E'\n') from (`+strings.Join(parts, " union all ")+`) as everything`)
}

// taskStates are asynqmon's lists.
var taskStates = []string{"pending", "active", "scheduled", "retry", "archived", "completed"}

// monitorPages are all pages of asynqmon's that show something of ours.
func monitorPages(t *testing.T, address string) string {
	t.Helper()
	a, err := tasks.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	h := asynqmon.New(asynqmon.Options{RedisConnOpt: a, ReadOnly: true})
	defer func() { _ = h.Close() }()
	var all strings.Builder
	get := func(path string) []byte {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != http.StatusOK {
			t.Errorf("asynqmon: %s: %d %s", path, answer.Code, answer.Body)
		}
		fmt.Fprintf(&all, "%s\n%s\n", path, answer.Body)
		return answer.Body.Bytes()
	}
	get("/")
	for _, page := range []string{"servers", "scheduler_entries", "queue_stats", "redis_info"} {
		get("/api/" + page)
	}
	var list struct {
		Queues []struct{ Queue string }
	}
	if err := json.Unmarshal(get("/api/queues"), &list); err != nil {
		t.Error(err)
	}
	for _, q := range list.Queues {
		at := "/api/queues/" + q.Queue
		get(at)
		for _, state := range taskStates {
			var page struct{ Tasks []struct{ ID string } }
			if err := json.Unmarshal(get(at+"/"+state+"_tasks?size=100"), &page); err != nil {
				t.Error(err)
			}
			for _, task := range page.Tasks[:min(3, len(page.Tasks))] {
				get(at + "/tasks/" + task.ID)
			}
		}
	}
	return all.String()
}

// visit keeps a worker's pages, as far as it answers still.
func (w *workerProcess) visit(left *leftovers) {
	client := http.Client{Timeout: time.Second}
	for _, path := range []string{"/metrics", "/livez", "/readyz", "/", "/nothing"} {
		resp, err := client.Get("http://" + w.http + path)
		if err != nil {
			return // it has ended, or does not run
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		left.add("pages", fmt.Sprintln(path, resp.Status, resp.Header, string(body)))
	}
}

// scriptLog makes a script's log, which has all outputs, a thing to search.
type scriptLog struct {
	*testing.T
	left *leftovers
}

// given are the lines and words of a log that hold secrets because the test put
// them there, or because that is what the command is for.
var given = regexp.MustCompile(`(?m)^(SECRET|DATABASE_URL|REDIS_URL|HALOSYNC_KEYSET|HALO_CLIENT_SECRET)=.*$|hsk1:[\w-]+|hs_[0-9a-f]{32}_[A-Z2-7]{52}`)

// Log is called once, with everything that a script's programs said.
func (l scriptLog) Log(args ...any) {
	l.left.add("outputs and errors", given.ReplaceAllString(fmt.Sprint(args...), ""))
	l.T.Log(args...)
}

// Run runs a script as a subtest.
func (l scriptLog) Run(name string, f func(testscript.T)) {
	l.T.Run(name, func(t *testing.T) { f(scriptLog{t, l.left}) })
}

// Verbose keeps the outputs of what went well in the log.
func (l scriptLog) Verbose() bool { return true }
