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

// report writes the figures as Markdown.
type report struct {
	out io.Writer
	err error // the first failed write
}

func (r *report) line(format string, args ...any) {
	if _, err := fmt.Fprintf(r.out, format+"\n", args...); err != nil && r.err == nil {
		r.err = err
	}
}

// machine describes the machine and the versions of the programs.
func (r *report) machine(ctx context.Context, b *bench) error {
	var postgres string
	if err := b.admin.QueryRow(ctx, "show server_version").Scan(&postgres); err != nil {
		return err
	}
	redis, err := b.rdb.InfoMap(ctx, "server").Result()
	if err != nil {
		return err
	}
	version, err := b.command(ctx, "", "worker", "--version")
	if err != nil {
		return err
	}
	postgres, _, _ = strings.Cut(postgres, " ") // cut off the version of the package
	r.line("Everything on one machine: %d cores (%s), %s/%s, %s, PostgreSQL %s (fsync on), Redis %s (append-only file); halosync %s.",
		runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres, redis["Server"]["redis_version"], strings.TrimPrefix(version, "worker version "))
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

// table prints samples: medians, and the range of the wall time.
func (r *report) table(title string, order []contender, taken map[string][]sample) {
	r.line("\n### %s\n", title)
	r.line("| what | wall s | min to max | CPU s | Postgres CPU s | peak MB |\n|---|---|---|---|---|---|")
	for _, c := range order {
		t := taken[c.name]
		w := walls(t)
		r.line("| %s | %.2f | %.2f to %.2f | %s | %s | %s |", c.name, w.median(), slices.Min(w), slices.Max(w),
			orDash(cpus(t).median(), "%.2f"), orDash(of(t, func(s sample) float64 { return s.DB.Seconds() }).median(), "%.2f"), orDash(of(t, func(s sample) float64 { return float64(s.Peak) / 1e6 }).median(), "%.0f"))
	}
}

// writes prints requests and writes: medians, and the rows by table.
func (r *report) writes(title string, order []contender, taken map[string][]sample) {
	tables := slices.DeleteFunc(append(dataTables(), runTables()...), func(table string) bool {
		return !slices.ContainsFunc(order, func(c contender) bool { return rewritten(taken[c.name], table).sum() > 0 })
	})
	r.line("\n### %s\n", title)
	r.line("| what | requests | WAL MB | whole blocks | %s |", strings.Join(tables, " | "))
	r.line("|---|---|---|---|%s", strings.Repeat("---|", len(tables)))
	for _, c := range order {
		t := taken[c.name]
		cells := []string{
			c.name, fmt.Sprintf("%.0f", other(t, keyRequests).median()),
			fmt.Sprintf("%.3f", other(t, keyWAL).median()/1e6), fmt.Sprintf("%.0f", other(t, keyBlocks).median()),
		}
		for _, table := range tables {
			cells = append(cells, rowsOf(t, table))
		}
		r.line("| %s |", strings.Join(cells, " | "))
	}
}

// rowsOf formats the changes to a table, such as "12 inserted, 3 deleted".
func rowsOf(samples []sample, table string) string {
	var parts []string
	for _, verb := range verbs() {
		if n := other(samples, keyRows(table, verb)).median(); n != 0 {
			parts = append(parts, fmt.Sprintf("%.0f %s", n, verb))
		}
	}
	if parts == nil {
		return "–"
	}
	return strings.Join(parts, ", ")
}

func orDash(v float64, format string) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// goal is a ratio with its bound.
type goal struct {
	what            string
	bound, measured float64
	upper           bool
}

func maxGoal(what string, bound, measured float64) goal { return goal{what, bound, measured, true} }
func minGoal(what string, bound, measured float64) goal { return goal{what, bound, measured, false} }

// goals prints ratios and whether they meet their bounds.
func (r *report) goals(rows ...goal) {
	r.line("\n| ratio | goal | measured | met |\n|---|---|---|---|")
	for _, g := range rows {
		sign, met := "≥", g.measured >= g.bound
		if g.upper {
			sign, met = "≤", g.measured <= g.bound
		}
		answer := "no"
		if met {
			answer = "yes"
		}
		r.line("| %s | %s %g | %s | %s |", g.what, sign, g.bound, digits(g.measured), answer)
	}
}

// digits formats a number with three or four significant digits.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.3f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
