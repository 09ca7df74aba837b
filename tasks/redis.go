package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/redisurl"
)

// Address is the location of a Redis and the credentials for it. It is opaque, so
// that printing it never shows the password. The zero value is no address.
type Address = redisurl.Address

// ParseAddress reads a Redis URL:
//
//	redis://[user:password@]host[:6379][/db]
//	rediss://…                                 the same over TLS
//	redis-socket://[user:password@]/path?db=0
//	redis-sentinel://[user:password@]host[:26379],…[/db]?master=name
//	redis-cluster://[user:password@]host[:6379],…
//
// rediss-sentinel and rediss-cluster are the last two over TLS. The query may hold
// the options of go-redis and, with TLS, ca_file, cert_file and key_file. An error
// never quotes the URL.
func ParseAddress(redisURL string) (Address, error) { return redisurl.Parse(redisURL) }

// LogRedis sends what the Redis client library reports (connections that
// cannot be made, mostly) to a logger instead of standard error. The library
// has one logger for the whole process, so this is for programs to call, once,
// before anything is open. Addresses are logged, passwords are not.
func LogRedis(log *zap.SugaredLogger) { redis.SetLogger(redisLogger{log.Named("redis")}) }

type redisLogger struct{ log *zap.SugaredLogger }

// Printf implements the library's interface. Its lines are about attempts
// that it repeats, so they are warnings; what fails for good is an error.
func (l redisLogger) Printf(_ context.Context, format string, args ...any) {
	l.log.Warnf(format, args...)
}

const (
	// minMajor.minMinor is the oldest Redis that has what asynq's archive (ZRANGE …
	// BYSCORE) and our list of unseen runs (LPOP with a count) need.
	minMajor, minMinor = 6, 2
	// fullPercent of the memory in use is worth a warning.
	fullPercent = 70
	// littleMemory is what some 50,000 tasks with their results take, in bytes.
	littleMemory = 64 << 20
)

// ErrUnfit says that a Redis answers and cannot be worked with: queued tasks
// would be lost, or none could be taken.
var ErrUnfit = errors.New("unfit for the queue")

// Check looks once at how Redis is set up, in a Cluster at each master. The
// error is [ErrUnfit] with what is wrong and what to set, or Redis does not
// answer. Warnings are about what the ledger makes up for at least in part.
// What the Redis user may not look at is left out: the rights INFO and CONFIG
// GET show most.
func (s *Server) Check(ctx context.Context) (warnings []string, err error) {
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	var (
		mu     sync.Mutex
		faults []string
	)
	look := func(ctx context.Context, node *redis.Client) error {
		f, w, err := examine(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		faults, warnings = append(faults, f...), append(warnings, w...)
		return err
	}
	switch rdb := s.rdb.(type) {
	case *redis.ClusterClient:
		err = rdb.ForEachMaster(ctx, look)
	case *redis.Client:
		err = look(ctx, rdb)
	}
	if err != nil {
		return nil, err
	}
	// Nodes of a cluster are set up alike, mostly.
	slices.Sort(faults)
	slices.Sort(warnings)
	if faults = slices.Compact(faults); len(faults) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrUnfit, strings.Join(faults, "; "))
	}
	return slices.Compact(warnings), s.tryRights(ctx)
}

// probeScript is a write to a queue in the way that asynq does most of them.
var probeScript = redis.NewScript(`return redis.call('LREM', KEYS[1], 0, ARGV[1])`)

// tryRights does one command of each sort that the queue lives on, none of
// which changes anything, so that a user whose rights do not suffice is told
// now, and not by a queue that stands still.
func (s *Server) tryRights(ctx context.Context) error {
	const probe = "halosync:probe"
	for _, err := range []error{
		s.rdb.SRem(ctx, announceKey, probe).Err(),
		s.rdb.Exists(ctx, unseenKey).Err(),
		s.rdb.LRem(ctx, unseenKey, 0, probe).Err(),
		probeScript.Eval(ctx, s.rdb, []string{"asynq:{" + QueueImport + "}:pending"}, probe).Err(),
		probeScript.Run(ctx, s.rdb, []string{"asynq:{" + QueueImport + "}:pending"}, probe).Err(),
		s.rdb.Time(ctx).Err(),
		s.rdb.Publish(ctx, "asynq:probe", probe).Err(),
	} {
		if err != nil && (strings.HasPrefix(err.Error(), "NOPERM") || strings.Contains(err.Error(), "ACL failure")) {
			return fmt.Errorf("%w: its user lacks a right that halosync's documentation lists (\"docs/operating.md\"): %w", ErrUnfit, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// examine asks one server.
func examine(ctx context.Context, node *redis.Client) (faults, warnings []string, err error) {
	text, err := node.Info(ctx).Result()
	if refused(err) {
		return nil, []string{"its user may not call INFO: neither version nor eviction policy could be checked"}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	save := "unknown"
	settings, err := node.ConfigGet(ctx, "save").Result()
	switch {
	case err == nil:
		save = settings["save"]
	case !refused(err):
		return nil, nil, err
	}
	faults, warnings = judgeRedis(parseInfo(text), save)
	return faults, warnings, nil
}

// refused says whether Redis knows the command and keeps it from this user, or
// has it renamed or removed, as hosted ones do with CONFIG.
func refused(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && (strings.HasPrefix(reply.Error(), "NOPERM") || strings.HasPrefix(reply.Error(), "ERR"))
}

// parseInfo reads the reply to INFO: lines "name:value" and headings.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// judgeRedis says what of a server's INFO and its setting "save" ("unknown" if
// it could not be had) loses tasks, and what merely deserves attention.
func judgeRedis(info map[string]string, save string) (faults, warnings []string) {
	if version := info["redis_version"]; !recent(version) {
		faults = append(faults, fmt.Sprintf("version %s is too old: want %d.%d or newer", orUnknown(version), minMajor, minMinor))
	}
	if info["role"] == "slave" {
		faults = append(faults, "it is a replica, which takes no writes: name the master in REDIS_URL, or the sentinels with redis-sentinel://")
	}
	switch policy := info["maxmemory_policy"]; {
	case strings.HasPrefix(policy, "allkeys-"):
		faults = append(faults, "maxmemory-policy is "+policy+", which throws queued tasks away: set maxmemory-policy noeviction")
	case policy != "noeviction":
		warnings = append(warnings, "maxmemory-policy is "+orUnknown(policy)+
			", under which the same request may be queued twice: set maxmemory-policy noeviction")
	}
	if info["aof_enabled"] == "0" && save == "" {
		warnings = append(warnings, "it keeps nothing on disk: after a restart the ledger brings queued runs back, but not what no worker had seen: set appendonly yes")
	}
	return faults, append(warnings, judgeMemory(info)...)
}

// judgeMemory looks at the memory that a server has got and uses, in bytes.
func judgeMemory(info map[string]string) (warnings []string) {
	used, limit := size(info, "used_memory"), size(info, "maxmemory")
	if limit > 0 && limit < littleMemory {
		warnings = append(warnings, fmt.Sprintf("maxmemory is %d MB: give it %d at least", limit>>20, littleMemory>>20))
	}
	if limit == 0 {
		limit = size(info, "total_system_memory")
	}
	if limit > 0 && used > limit/100*fullPercent {
		warnings = append(warnings, fmt.Sprintf("%d of %d MB are in use: once it is full nothing is queued and nothing is worked", used>>20, limit>>20))
	}
	return warnings
}

func size(info map[string]string, name string) uint64 {
	n, err := strconv.ParseUint(info[name], 10, 64)
	if err != nil {
		return 0 // not told
	}
	return n
}

// recent says whether a version, such as "7.0.15", is new enough.
func recent(version string) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	if err1 != nil || err2 != nil {
		return false
	}
	return major > minMajor || major == minMajor && minor >= minMinor
}

func orUnknown(value string) string {
	if value == "" {
		return "unknown"
	}
	return value
}
