package halo

import (
	"maps"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestIDSetIsASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-70, 200))
		var set IDSet
		want := map[int64]bool{}
		for _, id := range rapid.SliceOf(id).Draw(t, "added") {
			if got := set.Add(id); got == want[id] {
				t.Fatalf("Add(%d) = %t", id, got)
			}
			want[id] = true
		}
		for _, id := range rapid.SliceOf(id).Draw(t, "asked") {
			if set.Has(id) != want[id] {
				t.Fatalf("Has(%d) = %t", id, set.Has(id))
			}
		}
		if set.Len() != len(want) {
			t.Fatalf("Len() = %d, want %d", set.Len(), len(want))
		}
		sorted := slices.Sorted(maps.Keys(want))
		if diff := cmp.Diff(sorted, slices.Collect(set.All()), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("All() (-want +got):\n%s", diff)
		}
	})
}

func TestIDSetCloneIsIndependent(t *testing.T) {
	t.Parallel()
	var a IDSet
	a.Add(1)
	b := a.clone()
	b.Add(2)
	if a.Has(2) || a.Len() != 1 || !b.Has(1) || b.Len() != 2 {
		t.Errorf("original %v, clone %v", slices.Collect(a.All()), slices.Collect(b.All()))
	}
}

func TestNilIDSetCanBeRead(t *testing.T) {
	t.Parallel()
	var set *IDSet
	if set.Has(1) || set.Len() != 0 || len(slices.Collect(set.All())) != 0 {
		t.Error("nil set has ids")
	}
	if !set.clone().Add(1) {
		t.Error("clone of a nil set cannot be written")
	}
}

func TestIDSetAllStops(t *testing.T) {
	t.Parallel()
	var set IDSet
	for id := range int64(200) {
		set.Add(id)
	}
	for id := range set.All() {
		if id == 70 {
			break
		}
	}
}

// TestIDSetIsCompact is not parallel, because it measures the heap.
func TestIDSetIsCompact(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var set IDSet
	for id := range int64(1_000_000) {
		set.Add(id + 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d bytes for %d ids", used, set.Len())
	if used > 800_000 {
		t.Errorf("%d bytes for a million ids", used)
	}
	runtime.KeepAlive(&set)
}

func BenchmarkIDSetAdd(b *testing.B) {
	var set IDSet
	id := int64(0)
	for b.Loop() {
		id++
		set.Add(id)
	}
}
