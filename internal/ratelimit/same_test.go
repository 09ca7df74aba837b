package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The scripts and the Go functions make the same decisions.
func TestScriptAndFunctionAgree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(seed, 99))
			limit := []int64{1, 2, 7, 30, 200, 700}[dice.IntN(6)]
			window := time.Duration(1+dice.IntN(20)) * time.Second
			sequence(t, dice, limit, window, 1500)
		})
	}
}

// sequence makes the same random calls to both stores.
func sequence(t *testing.T, dice *rand.Rand, limit int64, window time.Duration, steps int) {
	t.Helper()
	memory, redis := inMemory(t), inRedis(t)
	redis.now = memory.now
	redis.clock(redis.now)
	var epoch int64
	for step := range steps {
		switch dice.IntN(60) {
		case 0:
			age, pause := dice.Int64N(int64(8*time.Second)), dice.Int64N(int64(window))
			m, r := memory.strike(time.Duration(age), window, time.Duration(pause)), redis.strike(time.Duration(age), window, time.Duration(pause))
			if m != r {
				t.Fatalf("step %d: a 429 lowers %v in memory, %v in Redis", step, m, r)
			}
			if m, r := memory.learned(), redis.learned(); m != r {
				t.Fatalf("step %d: a 429 leaves %v in memory, %v in Redis", step, m, r)
			}
		case 1:
			memory.flush()
			redis.flush()
		case 2:
			back := time.Duration(dice.Int64N(int64(10 * time.Second)))
			memory.advance(-back)
			redis.advance(-back)
		case 3, 4, 5, 6, 7:
			on := time.Duration(dice.Int64N(int64(window)))
			memory.advance(on)
			redis.advance(on)
		case 8, 9, 10, 11, 12, 13, 14, 15:
			on := time.Duration(dice.Int64N(int64(window)/limit + 1))
			memory.advance(on)
			redis.advance(on)
		default:
			c := call{class: Class(dice.IntN(2)), limit: limit, window: window.Microseconds(), epoch: epoch, used: dice.IntN(3) == 0}
			if dice.IntN(10) == 0 {
				c.whole = dice.IntN(2) == 0
				for range dice.IntN(5) {
					c.report = append(c.report, grant{pool(dice.IntN(2)), dice.Int64N(window.Microseconds()) - 1e6})
				}
			}
			m, r := memory.must(c), redis.must(c)
			if m != r {
				t.Fatalf("step %d: %+v gets %+v in memory, %+v in Redis", step, c, m, r)
			}
			if dice.IntN(3) > 0 {
				epoch = m.epoch
			}
		}
	}
}
