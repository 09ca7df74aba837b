package installation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// tokenHead is the beginning of every token from the simulated Halo: the header
// of a JWT.
var tokenHead = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"`))[:16]

// evidence holds the output of an installation, grouped by where it was found, and the
// installation's key sets, API keys and sessions. [Installation.Search] searches this
// output for secrets.
type evidence struct {
	mu      sync.Mutex
	places  map[string]*strings.Builder
	keysets []string
	access  []string
	halos   []*halotest.Halo // all except the installation's own Halo
}

func (e *evidence) add(place, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.places == nil {
		e.places = make(map[string]*strings.Builder)
	}
	if e.places[place] == nil {
		e.places[place] = &strings.Builder{}
	}
	e.places[place].WriteString(text)
	e.places[place].WriteByte('\n')
}

// addCommandLine adds the command line of one of the installation's processes.
func (e *evidence) addCommandLine(pid int) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil { // an error means that the process has ended, or that this is not Linux
		e.add("command lines", string(line))
	}
}

// addKeyset adds a key set to the secrets.
func (e *evidence) addKeyset(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if text = strings.TrimSpace(text); !slices.Contains(e.keysets, text) {
		e.keysets = append(e.keysets, text)
	}
}

// Keep stores text for the search at the end of the test, under the name of the place where
// it was found.
func (in *Installation) Keep(place, text string) { in.evidence.add(place, text) }

// KeepKeyset adds a key set to the secrets.
func (in *Installation) KeepKeyset(text string) { in.evidence.addKeyset(text) }

// KeepAccess adds an API key or a session's cookie to the secrets.
func (in *Installation) KeepAccess(text string) {
	in.evidence.mu.Lock()
	defer in.evidence.mu.Unlock()
	in.evidence.access = append(in.evidence.access, text[strings.LastIndexByte(text, '_')+1:]) // a key's id is not secret
}

// KeepHalo adds the tokens of another Halo to the secrets.
func (in *Installation) KeepHalo(h *halotest.Halo) {
	in.evidence.mu.Lock()
	defer in.evidence.mu.Unlock()
	in.evidence.halos = append(in.evidence.halos, h)
}

// Search looks for secrets in everything that the installation has produced so far. It
// returns the number of bytes searched in each place.
func (in *Installation) Search() map[string]int {
	in.T.Helper()
	places := in.everything()
	wanted := in.Wanted()
	searched := make(map[string]int, len(places))
	for place, text := range places {
		searched[place] = len(text)
		for _, f := range wanted.Find(text) {
			at := strings.Index(text, f.text)
			in.T.Errorf("%s is in %s (%s), after %q", f.Of, place, f.Form, text[max(0, at-80):at])
		}
	}
	return searched
}

// Wanted returns all secrets to search for, in all of their forms.
func (in *Installation) Wanted() *SecretForms {
	in.T.Helper()
	wanted := &SecretForms{}
	wanted.Add("the client secret", in.Secrets.Client)
	wanted.Add("a part of the client secret", in.Secrets.Core)
	wanted.Add("the password of Postgres", in.Secrets.Postgres)
	wanted.Add("the password of Redis", in.Secrets.Redis)
	in.evidence.mu.Lock()
	defer in.evidence.mu.Unlock()
	for _, text := range in.evidence.keysets {
		for _, key := range keysIn(in.T, text) {
			wanted.Add("a key of the key set", key)
		}
	}
	for _, text := range in.evidence.access {
		wanted.Add("an API key or a session", text)
	}
	wanted.Add("the head of a token", tokenHead)
	for _, h := range append(in.evidence.halos, in.Halo) {
		for _, token := range h.Tokens() {
			// Only the last part of a token is secret. Search for that part only.
			wanted.Add("a token", token[strings.LastIndexByte(token, '.')+1:])
		}
	}
	return wanted
}

func (in *Installation) secret() secret.String { return secret.NewString(in.Secrets.Client) }

// everything returns the contents of logs, output, pages, Postgres and Redis, grouped by
// place.
func (in *Installation) everything() map[string]string {
	in.T.Helper()
	places := map[string]string{"Postgres": dumpDatabase(in.T, in.DB), "Redis": "", "asynqmon": ""}
	for _, address := range slices.Compact([]string{in.firstRedis, in.Redis}) {
		places["Redis"] += DumpRedis(in.T, in.ConnectRedis(address))
		places["asynqmon"] += MonitorPages(in.T, address)
	}
	for i, w := range *in.workers {
		places[fmt.Sprint("the log of worker ", i+1)] = w.Log.String()
	}
	in.evidence.mu.Lock()
	defer in.evidence.mu.Unlock()
	for place, text := range in.evidence.places {
		places[place] = text.String()
	}
	return places
}

// ConnectRedis connects to Redis at a URL of any form. The connection is closed
// at the end of the test.
func (in *Installation) ConnectRedis(address string) redis.UniversalClient {
	in.T.Helper()
	a, err := tasks.ParseAddress(address)
	if err != nil {
		in.T.Fatal(err)
	}
	rdb := a.Connect()
	in.T.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// DumpRedis returns every key with its value, and all other data that a client
// can read.
func DumpRedis(t *testing.T, rdb redis.UniversalClient) string {
	t.Helper()
	var mu sync.Mutex
	var all strings.Builder
	ctx := t.Context()
	if ctx.Err() != nil { // at the end of a test, its context has ended
		var cancel func()
		ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
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
			case "none": // the key has expired
			default:
				t.Errorf("Redis: key %s is a %s, which the search cannot read", key, kind)
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

// scanned is the number of rows that the short form searches in each table, beginning with
// the newest. A sample is enough, because the same statements write all rows of a table.
const scanned = 400

// dumpDatabase returns rows of every table as text, and the statements in
// pg_stat_activity. In the long form it returns all rows.
func dumpDatabase(t *testing.T, db string) string {
	t.Helper()
	tables := repotest.Value[[]string](t, db, `
		select array_agg(format('%I.%I', schemaname, tablename)) from pg_tables
		where schemaname not in ('pg_catalog', 'information_schema')`)
	if len(tables) < 7 {
		t.Fatalf("tables %v", tables)
	}
	limit := fmt.Sprint(scanned)
	if Long() {
		limit = "all"
	}
	var parts []string
	for _, table := range tables {
		parts = append(parts, fmt.Sprintf(`(select '%s '||x::text as line from %s x order by x.ctid desc limit %s)`, table, table, limit))
	}
	parts = append(parts, `select 'pg_stat_activity '||x::text from pg_stat_activity x`)
	return repotest.Value[string](t, db, `select string_agg(line, E'\n') from (`+strings.Join(parts, " union all ")+`) as everything`)
}

// TaskStates lists the task states that have a page in asynqmon.
var TaskStates = []string{"pending", "active", "scheduled", "retry", "archived", "completed"}

// MonitorPages returns all pages of asynqmon that show data of halosync.
func MonitorPages(t *testing.T, address string) string {
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
		for _, state := range TaskStates {
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
