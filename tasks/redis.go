package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/redisurl"
)

// Address is the address of a Redis server with its credentials. The type is opaque, so
// that printing an address never shows the password. The zero value means no address.
type Address = redisurl.Address

// ParseAddress parses a Redis URL:
//
//	redis://[user:password@]host[:6379][/db]
//	rediss://…                                 the same over TLS
//	redis-socket://[user:password@]/path?db=0
//	redis-sentinel://[user:password@]host[:26379],…[/db]?master=name
//	redis-cluster://[user:password@]host[:6379],…
//
// rediss-sentinel and rediss-cluster use TLS. The query may contain the options of
// go-redis and, with TLS, ca_file, cert_file and key_file. Errors never quote the URL.
func ParseAddress(redisURL string) (Address, error) { return redisurl.Parse(redisURL) }

// LogRedis sends the messages of the Redis client library to log instead of standard
// error. Most of them report failed connections. The library has one logger per
// process, so call LogRedis once, before opening a client or a server. The messages
// contain addresses, but no passwords.
func LogRedis(log *zap.SugaredLogger) { redis.SetLogger(redisLogger{log.Named("redis")}) }

type redisLogger struct{ log *zap.SugaredLogger }

// Printf implements the library's interface. It logs each message as a warning, because
// the library retries and finally returns an error.
func (l redisLogger) Printf(_ context.Context, format string, args ...any) {
	l.log.Warnf(format, args...)
}

const (
	// minMajor.minMinor is the oldest supported version. asynq's archive needs ZRANGE
	// with BYSCORE, and the list of unrecorded runs needs LPOP with a count.
	minMajor, minMinor = 6, 2
	// maxMemoryPercent is the memory use in percent above which Check warns.
	maxMemoryPercent = 70
	// minMemory is the memory in bytes for 50,000 tasks with their results.
	minMemory = 64 << 20
)

// ErrUnfit means that Redis responds but cannot hold the queue, because it would lose
// tasks or rejects commands that the queue needs.
var ErrUnfit = errors.New("unfit for the queue")

// Check checks the configuration of Redis, or of each master in a cluster. It returns
// an [ErrUnfit] that lists each fault with the setting that fixes it, or an error from
// Redis. Warnings report faults for which the ledger compensates at least partly. Most
// checks need INFO and CONFIG GET; Check skips settings that the Redis user may not
// read.
func (s *Server) Check(ctx context.Context) (warnings []string, err error) {
	if err := s.Ping(ctx); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			// A TLS 1.3 client reads the reason, "certificate required", only if its first
			// write does not fail first.
			return nil, fmt.Errorf("%w: Redis closed the connection; with TLS it may require a client certificate (cert_file and key_file in the URL)", err)
		}
		return nil, err
	}
	var (
		mu     sync.Mutex
		faults []string
	)
	check := func(ctx context.Context, node *redis.Client) error {
		f, w, err := checkNode(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		faults, warnings = append(faults, f...), append(warnings, w...)
		return err
	}
	switch rdb := s.rdb.(type) {
	case *redis.ClusterClient:
		err = rdb.ForEachMaster(ctx, check)
	case *redis.Client:
		err = check(ctx, rdb)
	}
	if err != nil {
		return nil, err
	}
	// The nodes of a cluster usually have the same configuration, so faults repeat.
	slices.Sort(faults)
	slices.Sort(warnings)
	if faults = slices.Compact(faults); len(faults) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrUnfit, strings.Join(faults, "; "))
	}
	return slices.Compact(warnings), s.checkRights(ctx)
}

// probeScript writes to a queue like most of asynq's scripts.
var probeScript = redis.NewScript(`return redis.call('LREM', KEYS[1], 0, ARGV[1])`)

// checkRights sends one command of each type that the queue needs. The commands change
// nothing. They reveal a missing right before it stops the queue.
func (s *Server) checkRights(ctx context.Context) error {
	const probe = "halosync:probe"
	for _, err := range []error{
		s.rdb.SRem(ctx, queuesKey, probe).Err(),
		s.rdb.Exists(ctx, unrecordedKey).Err(),
		s.rdb.LRem(ctx, unrecordedKey, 0, probe).Err(),
		probeScript.Eval(ctx, s.rdb, []string{"asynq:{" + QueueImport + "}:pending"}, probe).Err(),
		probeScript.Run(ctx, s.rdb, []string{"asynq:{" + QueueImport + "}:pending"}, probe).Err(),
		s.rdb.Time(ctx).Err(),
		s.rdb.Publish(ctx, "asynq:probe", probe).Err(),
	} {
		if err != nil && (strings.HasPrefix(err.Error(), "NOPERM") || strings.Contains(err.Error(), "ACL failure")) {
			return fmt.Errorf("%w: its user lacks a right that docs/operating.md lists: %w", ErrUnfit, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkNode checks one Redis server.
func checkNode(ctx context.Context, node *redis.Client) (faults, warnings []string, err error) {
	text, err := node.Info(ctx).Result()
	if refused(err) {
		return nil, []string{"its user may not call INFO, so version and eviction policy are unknown"}, nil
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

// refused reports whether Redis denies the command to this user or does not support it.
// Hosted Redis often renames or removes CONFIG.
func refused(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && (strings.HasPrefix(reply.Error(), "NOPERM") || strings.HasPrefix(reply.Error(), "ERR"))
}

// parseInfo parses a reply to INFO: headings, and lines of the form "name:value".
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// judgeRedis returns the faults of a server, which can lose tasks, and its warnings.
// The argument called save is the value of the setting "save", or "unknown" if it could not
// be read.
func judgeRedis(info map[string]string, save string) (faults, warnings []string) {
	if version := info["redis_version"]; !recent(version) {
		faults = append(faults, fmt.Sprintf("version %s is too old: use %d.%d or newer", orUnknown(version), minMajor, minMinor))
	}
	if info["role"] == "slave" {
		faults = append(faults, "it is a replica and refuses writes: set REDIS_URL to the master, or to the sentinels with redis-sentinel://")
	}
	switch policy := info["maxmemory_policy"]; {
	case strings.HasPrefix(policy, "allkeys-"):
		faults = append(faults, "maxmemory-policy is "+policy+", which deletes queued tasks: set maxmemory-policy noeviction")
	case policy != "noeviction":
		warnings = append(warnings, "maxmemory-policy is "+orUnknown(policy)+
			", so the same request may be queued twice: set maxmemory-policy noeviction")
	}
	if info["aof_enabled"] == "0" && save == "" {
		warnings = append(warnings, "it keeps nothing on disk, so a restart loses the requests that no worker has recorded yet: set appendonly yes")
	}
	return faults, append(warnings, judgeMemory(info)...)
}

// judgeMemory returns warnings about a server's memory.
func judgeMemory(info map[string]string) (warnings []string) {
	used, limit := size(info, "used_memory"), size(info, "maxmemory")
	if limit > 0 && limit < minMemory {
		warnings = append(warnings, fmt.Sprintf("maxmemory is %d MB: set at least %d MB", limit>>20, minMemory>>20))
	}
	if limit == 0 {
		limit = size(info, "total_system_memory")
	}
	if limit > 0 && used > limit/100*maxMemoryPercent {
		warnings = append(warnings, fmt.Sprintf("%d of %d MB are in use, and a full Redis stops the queue: add memory", used>>20, limit>>20))
	}
	return warnings
}

func size(info map[string]string, name string) uint64 {
	n, err := strconv.ParseUint(info[name], 10, 64)
	if err != nil {
		return 0 // unknown
	}
	return n
}

// recent reports whether a version such as "7.0.15" is supported.
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
