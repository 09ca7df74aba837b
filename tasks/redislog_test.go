package tasks

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestRedisLinesAreWarnings(t *testing.T) {
	t.Parallel()
	core, seen := observer.New(zapcore.DebugLevel)
	redisLogger{zap.New(core).Sugar().Named("redis")}.Printf(t.Context(), "dial %s: %v", "h:1", errors.New("refused"))
	lines := seen.All()
	if len(lines) != 1 || lines[0].Level != zapcore.WarnLevel || lines[0].Message != "dial h:1: refused" || lines[0].LoggerName != "redis" {
		t.Errorf("lines %+v", lines)
	}
}

func TestIsLater(t *testing.T) {
	t.Parallel()
	cause := errors.New("busy")
	if after, ok := IsLater(fmt.Errorf("run: %w", Later(time.Minute, cause))); !ok || after != time.Minute {
		t.Errorf("a wrapped Later: %v, %v", after, ok)
	}
	for _, err := range []error{nil, cause, Never(cause)} {
		if _, ok := IsLater(err); ok {
			t.Errorf("%v passes for a Later", err)
		}
	}
}
