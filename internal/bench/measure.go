package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// keyRequests is how many requests a sample made to Halo, in [sample.Other].
const keyRequests = "requests"

// sample is what one execution came to.
type sample struct {
	Wall  time.Duration      `json:"wall"`
	CPU   time.Duration      `json:"cpu"`  // of the process under test; 0: not taken
	DB    time.Duration      `json:"db"`   // CPU time of Postgres meanwhile
	Peak  int64              `json:"peak"` // its memory in bytes, as the kernel counts it; 0: not taken
	Other map[string]float64 `json:"other,omitempty"`
}

// contender is one of several ways that are compared.
type contender struct {
	name string
	run  func(context.Context) (sample, error)
}

// compare runs the contenders in turn: once to warm up, then rounds times
// A B C, A B C … so that a machine that changes its speed changes it for all.
// Without rounds the warm-up is what counts, for a trial.
func compare(ctx context.Context, rounds int, contenders ...contender) (map[string][]sample, error) {
	if rounds == 0 {
		return take(ctx, 1, contenders...)
	}
	if _, err := take(ctx, 1, contenders...); err != nil {
		return nil, err
	}
	return take(ctx, rounds, contenders...)
}

// take is compare without the warm-up.
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

// figures are one number of several executions.
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

// other is a figure that only some contenders have.
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

// ticks is how many of the kernel's units of CPU time make a second: USER_HZ,
// 100 on every Linux that Go runs on.
const ticks = 100

// cpuOf is the CPU time that a process has used so far, its own and the
// kernel's for it.
func cpuOf(pid int) (time.Duration, error) { return cpuFields(pid, 11, 12) }

// cpuFields adds up fields of a process' stat, counted from behind its name: 11
// and 12 are its own time and the kernel's for it, 13 and 14 those of children
// that have ended.
func cpuFields(pid int, wanted ...int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in brackets, may hold blanks.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var sum int64
	for _, i := range wanted {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// peakOf is the most memory that a process has held at once, in bytes.
func peakOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM of process %d", pid)
}

// wait lets time pass.
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
