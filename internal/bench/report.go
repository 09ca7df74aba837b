package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// report writes the figures as they come, as Markdown.
type report struct {
	out io.Writer
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

// machine says what the figures were taken on.
func (r *report) machine(ctx context.Context, s *stage) error {
	var postgres string
	if err := s.admin.QueryRow(ctx, "show server_version").Scan(&postgres); err != nil {
		return err
	}
	info, err := s.rdb.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	redis := "?"
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
			redis = strings.TrimSpace(v)
		}
	}
	r.line("%s, %d cores (%s), %s/%s, %s, PostgreSQL %s (fsync on), Redis %s (append-only file).",
		"Everything on one machine", runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres, redis)
	return nil
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := bytes.Cut(lines.Bytes(), []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return "unknown"
}

// table shows samples: median, least and greatest.
func (r *report) table(title string, order []contender, taken map[string][]sample) {
	r.line("\n### %s\n", title)
	r.line("| what | wall s | least to most | CPU s | Postgres CPU s | peak MB |\n|---|---|---|---|---|---|")
	for _, c := range order {
		t := taken[c.name]
		w := walls(t)
		r.line("| %s | %.2f | %.2f to %.2f | %s | %s | %s |", c.name, w.median(), slices.Min(w), slices.Max(w),
			orNone(cpus(t).median(), "%.2f"), orNone(of(t, func(s sample) float64 { return s.DB.Seconds() }).median(), "%.2f"), orNone(of(t, func(s sample) float64 { return float64(s.Peak) / 1e6 }).median(), "%.0f"))
	}
}

func orNone(v float64, format string) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// goals shows ratios next to what they should be.
func (r *report) goals(rows ...goal) {
	r.line("\n| ratio | goal | measured | met |\n|---|---|---|---|")
	for _, g := range rows {
		met := "no"
		if g.atMost && g.measured <= g.want || !g.atMost && g.measured >= g.want {
			met = "yes"
		}
		sign := "≥"
		if g.atMost {
			sign = "≤"
		}
		r.line("| %s | %s %g | %.3g | %s |", g.what, sign, g.want, g.measured, met)
	}
}

// goal is a ratio and what it should be.
type goal struct {
	what           string
	want, measured float64
	atMost         bool
}

func atMost(what string, want, measured float64) goal  { return goal{what, want, measured, true} }
func atLeast(what string, want, measured float64) goal { return goal{what, want, measured, false} }
