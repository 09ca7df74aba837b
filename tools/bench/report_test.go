package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// printed returns the report of f without blank lines.
func printed(f func(*report)) string {
	var out bytes.Buffer
	f(&report{out: &out})
	return strings.ReplaceAll(strings.TrimSpace(out.String()), "\n\n", "\n")
}

func TestTable(t *testing.T) {
	t.Parallel()
	got := printed(func(r *report) {
		r.table("Some import", []contender{{name: "ours"}, {name: "theirs"}}, map[string][]sample{
			"ours": {
				{Wall: 3 * time.Second, CPU: time.Second, DB: 2 * time.Second, Peak: 30e6}, {Wall: time.Second, CPU: time.Second, DB: 2 * time.Second, Peak: 10e6},
				{Wall: 1500 * time.Millisecond, CPU: 4 * time.Second, Peak: 20e6},
			},
			"theirs": {{Wall: 10 * time.Millisecond}},
		})
	})
	want := `### Some import
| what | wall s | min to max | CPU s | Postgres CPU s | peak MB |
|---|---|---|---|---|---|
| ours | 1.50 | 1.00 to 3.00 | 1.00 | 2.00 | 20 |
| theirs | 0.01 | 0.01 to 0.01 | – | – | – |`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	got := printed(func(r *report) {
		r.goals(maxGoal("a", 1.5, 1.5), maxGoal("b", 1.05, 1.0532), maxGoal("c", 0, 1234), maxGoal("d", 0.01, 0.00895), minGoal("e", 4, 3.99), minGoal("f", 4, 4))
	})
	want := `| ratio | goal | measured | met |
|---|---|---|---|
| a | ≤ 1.5 | 1.500 | yes |
| b | ≤ 1.05 | 1.053 | no |
| c | ≤ 0 | 1234 | no |
| d | ≤ 0.01 | 0.00895 | yes |
| e | ≥ 4 | 3.990 | no |
| f | ≥ 4 | 4.000 | yes |`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestWrites expects no column for a table without writes.
func TestWrites(t *testing.T) {
	t.Parallel()
	got := printed(func(r *report) {
		r.writes("Written", []contender{{name: "first"}, {name: "again"}}, map[string][]sample{
			"first": {{Other: map[string]float64{
				keyRequests: 6, keyWAL: 1.5e6, keyBlocks: 9, keyRows("clients", "inserted"): 300, keyRows("clients", "updated"): 1, keyRows("runs", "updated"): 2,
			}}},
			"again": {{Other: map[string]float64{keyRequests: 7, keyWAL: 2e3, keyRows("runs", "updated"): 3}}},
		})
	})
	want := `### Written
| what | requests | WAL MB | whole blocks | clients | runs |
|---|---|---|---|---|---|
| first | 6 | 1.500 | 9 | 300 inserted, 1 updated | 2 updated |
| again | 7 | 0.002 | 0 | – | 3 updated |`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
