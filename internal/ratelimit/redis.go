package ratelimit

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed ask.lua
	askSource string
	//go:embed throttled.lua
	throttledSource string
)

// redisStore is the store that all processes share. It uses Redis' clock. A grant takes
// one round trip.
type redisStore struct {
	rdb                        redis.UniversalClient
	askScript, throttledScript *redis.Script
}

func newRedisStore(rdb redis.UniversalClient) redisStore {
	return redisStore{rdb, redis.NewScript(askSource), redis.NewScript(throttledSource)}
}

// keys returns the keys of an instance. They share one hash tag, so that a cluster
// keeps them on one node. The instance's name is hashed, because it is long and
// confidential.
func keys(instance string) []string {
	sum := sha256.Sum256([]byte(instance))
	prefix := "halosync:rate:{" + hex.EncodeToString(sum[:8]) + "}:"
	return []string{prefix + "state", prefix + "common", prefix + "reserve"}
}

func (s redisStore) ask(ctx context.Context, instance string, c call) (answer, error) {
	args := []any{
		flag(c.class == Interactive), c.limit, c.window,
		maxSleep.Microseconds(), settleTime.Microseconds(), maxPause.Microseconds(), clockSlip.Microseconds(),
		c.epoch, flag(c.used), flag(c.whole),
	}
	for _, g := range c.report {
		args = append(args, int(g.pool), g.age)
	}
	got, err := s.askScript.Run(ctx, s.rdb, keys(instance), args...).Int64Slice()
	if err != nil {
		return answer{}, fmt.Errorf("request budget: %w", err)
	}
	if len(got) != 4 {
		return answer{}, fmt.Errorf("request budget: reply of %d numbers", len(got))
	}
	return answer{outcome(got[0]), got[1], got[2], pool(got[3])}, nil
}

func (s redisStore) throttled(ctx context.Context, instance string, age, window, pause int64) (bool, error) {
	lowered, err := s.throttledScript.Run(ctx, s.rdb, keys(instance), age, window, pause,
		maxPause.Microseconds(), maxSleep.Microseconds(), clockSlip.Microseconds()).Bool()
	if err != nil {
		return false, fmt.Errorf("request budget: %w", err)
	}
	return lowered, nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
