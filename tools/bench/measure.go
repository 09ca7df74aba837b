package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// keyRequests is the number of requests to Halo, in [sample.Other].
const keyRequests = "requests"

// sample is the measurement of one execution.
type sample struct {
	Wall  time.Duration      `json:"wall"`
	CPU   time.Duration      `json:"cpu"`  // CPU time of the process under test; 0: not measured
	DB    time.Duration      `json:"db"`   // CPU time of Postgres in the same period
	Peak  int64              `json:"peak"` // resident memory of the process in bytes; 0: not measured
	Other map[string]float64 `json:"other,omitempty"`
}

// contender is one of the alternatives that a part compares.
type contender struct {
	name string
	run  func(context.Context) (sample, error)
}

// compare runs the contenders in turn, A B C, A B C …, so that a change in the
// machine's speed affects all of them. The first round is a warm-up and does
// not count, unless rounds is 0.
func compare(ctx context.Context, rounds int, contenders ...contender) (map[string][]sample, error) {
	if rounds > 0 {
		if _, err := take(ctx, 1, contenders...); err != nil {
			return nil, err
		}
	}
	return take(ctx, max(rounds, 1), contenders...)
}

// take is like compare, but without the warm-up.
func take(ctx context.Context, rounds int, contenders ...contender) (map[string][]sample, error) {
	taken := map[string][]sample{}
	for range rounds {
		for _, c := range contenders {
			s, err := c.run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			taken[c.name] = append(taken[c.name], s)
			fmt.Fprintf(os.Stderr, "  %-32s %8.3f s wall %8.3f s CPU %8.3f s Postgres %6.1f MB\n",
				c.name, s.Wall.Seconds(), s.CPU.Seconds(), s.DB.Seconds(), float64(s.Peak)/1e6)
		}
	}
	return taken, nil
}

// figures holds one figure from several samples.
type figures []float64

func (f figures) median() float64 {
	if len(f) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(f))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func (f figures) sum() float64 {
	var sum float64
	for _, v := range f {
		sum += v
	}
	return sum
}

func walls(samples []sample) figures {
	return of(samples, func(s sample) float64 { return s.Wall.Seconds() })
}

func cpus(samples []sample) figures {
	return of(samples, func(s sample) float64 { return s.CPU.Seconds() })
}

func other(samples []sample, key string) figures {
	return of(samples, func(s sample) float64 { return s.Other[key] })
}

func of(samples []sample, f func(sample) float64) figures {
	var fs figures
	for _, s := range samples {
		fs = append(fs, f(s))
	}
	return fs
}

// wait returns nil after the duration d, or the context's error if the context ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
