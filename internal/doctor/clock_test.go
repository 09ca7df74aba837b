package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestJudgeClock(t *testing.T) {
	t.Parallel()
	for skew, want := range map[time.Duration]string{
		0: "ok ", time.Second: "ok ", -time.Second: "ok ",
		3 * time.Second: "warning 3s ahead", -14 * time.Second: "warning 14s behind",
		15 * time.Second: "fault 15s ahead", -time.Hour: "fault 1h0m0s behind",
	} {
		f := judgeClock("Redis", skew)
		status, words, _ := strings.Cut(want, " ")
		if f.Status != status || !strings.Contains(f.What, words) || (f.Do == "") != (status == OK) {
			t.Errorf("%v: %+v, want %s", skew, f, want)
		}
	}
}

// The time that the reply took does not count as skew.
func TestSkewOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ off, min, max time.Duration }{
		{0, 0, 0}, {time.Minute, 59 * time.Second, time.Minute}, {-time.Minute, -time.Minute, -59 * time.Second},
	} {
		got, err := skewOf(t.Context(), func(context.Context) (time.Time, error) { return time.Now().Add(c.off), nil })
		if err != nil || got < c.min || got > c.max {
			t.Errorf("%v off: %v, %v", c.off, got, err)
		}
	}
	away := errors.New("away")
	if _, err := skewOf(t.Context(), func(context.Context) (time.Time, error) { return time.Time{}, away }); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}
