package tasks

import (
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/halosync/halosync/internal/devstack"
)

func TestOpenRefusesWrongAddresses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "hunter2", "http://u:hunter2@h", "redis://u:hunter2/@h/0", "redis-cluster://u:hunter2@h1,"} {
		c, err := Open(in)
		if err == nil {
			t.Errorf("%s: opened", in)
			_ = c.Close()
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %q", in, err)
		}
	}
}

func TestClientLogsInAsUser(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	plain := database(t)
	admin := connect(t, plain)
	if err := admin.Do(ctx, "ACL", "SETUSER", "halo", "on", ">s/e?c#r@t", "allkeys", "allchannels", "allcommands").Err(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("halo", "s/e?c#r@t")
	who, err := connect(t, u.String()).Do(ctx, "ACL", "WHOAMI").Text()
	if err != nil || who != "halo" {
		t.Fatalf("logged in as %q, %v", who, err)
	}

	u.User = url.UserPassword("halo", "wr0ng")
	err = openClient(t, u.String()).Ping(ctx)
	if err == nil || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestJudgeRedis(t *testing.T) {
	t.Parallel()
	good := parseInfo("# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nused_memory:1048576\r\nmaxmemory:0\r\n" +
		"total_system_memory:8589934592\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n# Replication\r\nrole:master\r\n")
	for name, c := range map[string]struct {
		change            map[string]string
		save              string
		faults, warnings  int
		mentions, andThis string
	}{
		"as it should be":         {},
		"6.2":                     {change: map[string]string{"redis_version": "6.2.0"}},
		"10.0":                    {change: map[string]string{"redis_version": "10.0.1"}},
		"6.0":                     {change: map[string]string{"redis_version": "6.0.16"}, faults: 1, mentions: "6.0.16", andThis: "6.2"},
		"5.9":                     {change: map[string]string{"redis_version": "5.9.9"}, faults: 1, mentions: "5.9.9"},
		"no version":              {change: map[string]string{"redis_version": ""}, faults: 1, mentions: "unknown"},
		"replica":                 {change: map[string]string{"role": "slave"}, faults: 1, mentions: "REDIS_URL"},
		"evicts anything":         {change: map[string]string{"maxmemory_policy": "allkeys-lru"}, faults: 1, mentions: "allkeys-lru", andThis: "noeviction"},
		"evicts anything, limit":  {change: map[string]string{"maxmemory_policy": "allkeys-random", "maxmemory": "1073741824"}, faults: 1, mentions: "allkeys-random"},
		"evicts keys that expire": {change: map[string]string{"maxmemory_policy": "volatile-ttl"}, warnings: 1, mentions: "volatile-ttl", andThis: "noeviction"},
		"unknown policy":          {change: map[string]string{"maxmemory_policy": ""}, warnings: 1, mentions: "unknown"},
		"snapshots":               {change: map[string]string{"aof_enabled": "0"}, save: "3600 1"},
		"snapshots, perhaps":      {change: map[string]string{"aof_enabled": "0"}, save: "unknown"},
		"nothing on disk":         {change: map[string]string{"aof_enabled": "0"}, warnings: 1, mentions: "appendonly yes"},
		"log only":                {change: map[string]string{"aof_enabled": "1"}},
		"small":                   {change: map[string]string{"maxmemory": "33554432"}, warnings: 1, mentions: "maxmemory is 32 MB"},
		"nearly full":             {change: map[string]string{"maxmemory": "1073741824", "used_memory": "805306368"}, warnings: 1, mentions: "768 of 1024 MB"},
		"room left":               {change: map[string]string{"maxmemory": "1073741824", "used_memory": "644245094"}},
		"machine nearly full":     {change: map[string]string{"used_memory": "7516192768"}, warnings: 1, mentions: "7168 of 8192 MB"},
		"unknown memory":          {change: map[string]string{"used_memory": "much", "total_system_memory": ""}},
		"much at once": {
			change: map[string]string{"redis_version": "2.8", "role": "slave", "maxmemory_policy": "allkeys-lfu", "aof_enabled": "0", "maxmemory": "1"},
			faults: 3, warnings: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info := maps.Clone(good)
			maps.Copy(info, c.change)
			faults, warnings := judgeRedis(info, c.save)
			text := strings.Join(append(faults, warnings...), "\n")
			if diff := cmp.Diff([]int{c.faults, c.warnings}, []int{len(faults), len(warnings)}); diff != "" {
				t.Errorf("faults and warnings: %s\n%s", diff, text)
			}
			if !strings.Contains(text, c.mentions) || !strings.Contains(text, c.andThis) {
				t.Errorf("%q does not mention %q and %q", text, c.mentions, c.andThis)
			}
		})
	}
}

// Each case runs a real Redis server with its own configuration.
func TestCheckRedis(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config         []string
		command        []string // to configure it further
		fault, warning string
	}{
		"as it should be": {config: []string{"appendonly yes"}},
		"on no disk":      {warning: "appendonly yes"},
		"evicts":          {config: []string{"maxmemory-policy allkeys-lru", "maxmemory 100mb"}, fault: "maxmemory-policy is allkeys-lru"},
		"replica":         {config: []string{"replicaof 127.0.0.1 1"}, fault: "replica"},
		"no CONFIG":       {command: []string{"ACL", "SETUSER", "default", "-config"}},
		"no INFO":         {command: []string{"ACL", "SETUSER", "default", "-info"}, warning: "INFO"},
		"CONFIG renamed":  {config: []string{`rename-command CONFIG ""`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{Config: c.config})
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, node)
			if c.command != nil {
				if _, err := node.Do(t.Context(), c.command...); err != nil {
					t.Fatal(err)
				}
			}
			warnings, err := openServer(t, node.URL(), ServerConfig{}).Check(t.Context())
			switch {
			case c.fault == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.fault != "" && (!errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("error %v, want one about %q", err, c.fault)
			}
			if text := strings.Join(warnings, "; "); (text == "") != (c.warning == "") || !strings.Contains(text, c.warning) {
				t.Errorf("warnings %q, want one about %q", text, c.warning)
			}
		})
	}
}

// A single faulty node in a cluster can lose tasks.
func TestCheckRedisCluster(t *testing.T) {
	t.Parallel()
	cluster, err := devstack.StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, cluster)
	s := openServer(t, cluster.URL(), ServerConfig{})
	if warnings, err := s.Check(t.Context()); err != nil || len(warnings) != 1 {
		t.Errorf("three equal nodes: %q, %v", warnings, err)
	}
	if _, err := cluster.Nodes[1].Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "allkeys-lru"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context()); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Errorf("one node evicts keys: %v", err)
	}
}

func TestCheckRedisAway(t *testing.T) {
	t.Parallel()
	_, err := openServer(t, "redis://127.0.0.1:1", ServerConfig{}).Check(t.Context())
	var reply redis.Error
	if err == nil || errors.Is(err, ErrUnfit) || errors.As(err, &reply) {
		t.Errorf("no server: %v", err)
	}
}

func TestRedisLinesAreWarnings(t *testing.T) {
	t.Parallel()
	core, seen := observer.New(zapcore.DebugLevel)
	redisLogger{zap.New(core).Sugar().Named("redis")}.Printf(t.Context(), "dial %s: %v", "h:1", errors.New("refused"))
	lines := seen.All()
	if len(lines) != 1 || lines[0].Level != zapcore.WarnLevel || lines[0].Message != "dial h:1: refused" || lines[0].LoggerName != "redis" {
		t.Errorf("lines %+v", lines)
	}
}
