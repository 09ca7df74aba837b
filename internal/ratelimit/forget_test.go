package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

// The memory of a process does not grow with the number of instances that it has ever
// called. A state that still affects requests is kept.
func TestInstancesAreForgotten(t *testing.T) {
	t.Parallel()
	l := New(Options{Rate: Rate{700, 5 * time.Minute}})
	now := dawn
	l.local.now = func() int64 { return now }
	ask := func(instance string) {
		t.Helper()
		if err := l.Wait(t.Context(), instance, "", Background); err != nil {
			t.Fatal(err)
		}
	}
	window := (5 * time.Minute).Microseconds()
	for range 70 { // the local share of a window
		l.local.note("exhausted", common, 0, window)
	}
	l.Throttled("lowered", "", time.Now(), time.Second)
	l.Throttled("paused", "", time.Now(), 15*time.Minute)
	for i := range 20 * minSweep {
		ask(fmt.Sprint("host ", i))
		now += (10 * time.Millisecond).Microseconds()
	}
	for _, name := range []string{"exhausted", "lowered", "paused"} {
		if l.local.states[name] == nil {
			t.Errorf("%s is forgotten after 200 s", name)
		}
	}
	if got := l.local.states["exhausted"].ask(now, call{limit: 70, window: window}); got.outcome != refused {
		t.Errorf("the used budget is forgotten: %+v", got)
	}
	for i := range 20 * minSweep {
		now += time.Minute.Microseconds()
		ask(fmt.Sprint("later host ", i))
	}
	if n := len(l.local.states); n > 2*minSweep {
		t.Errorf("%d states, want those of the last minutes", n)
	}
	if n := len(l.synced); n > 3*minSweep {
		t.Errorf("%d instances known, want those of the last minutes", n)
	}
	for _, name := range []string{"exhausted", "lowered", "paused"} {
		if l.local.states[name] != nil {
			t.Errorf("%s is still known after two weeks", name)
		}
	}
}
