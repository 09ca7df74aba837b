package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// report writes the figures as they come, as Markdown.
type report struct {
	out io.Writer
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

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

// writes shows what samples asked of Halo and wrote: medians, by table.
func (r *report) writes(title string, order []contender, taken map[string][]sample) {
	tables := slices.DeleteFunc(append(ourTables(), runTables()...), func(table string) bool {
		return !slices.ContainsFunc(order, func(c contender) bool { return rewritten(taken[c.name], table).sum() > 0 })
	})
	r.line("\n### %s\n", title)
	r.line("| what | requests | log MB | whole blocks | %s |", strings.Join(tables, " | "))
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

// rowsOf are the rows of a table as "12 inserted, 3 deleted".
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

// perSecond says how many of n there were in a second.
func (r *report) perSecond(n int, order []contender, taken map[string][]sample) {
	for _, c := range order {
		r.line("\n%s: %.0f a second.", c.name, float64(n)/walls(taken[c.name]).median())
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
		r.line("| %s | %s %g | %s | %s |", g.what, sign, g.want, digits(g.measured), met)
	}
}

// digits is a number with what matters of it.
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

// goal is a ratio and what it should be.
type goal struct {
	what           string
	want, measured float64
	atMost         bool
}

func atMost(what string, want, measured float64) goal  { return goal{what, want, measured, true} }
func atLeast(what string, want, measured float64) goal { return goal{what, want, measured, false} }
