package worker

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// switchLevel switches the log to debug with one SIGUSR1, and back to the configured
// level with the next. The function that it returns stops that.
func switchLevel(level zap.AtomicLevel, log *zap.Logger) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	usual := level.Level()
	var running sync.WaitGroup
	running.Go(func() {
		for range signals {
			next := zapcore.DebugLevel
			if level.Level() == next {
				next = usual
			}
			level.SetLevel(zapcore.InfoLevel) // so that this entry is always written
			log.Info("log level", zap.Stringer("level", next))
			level.SetLevel(next)
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		running.Wait()
	}
}
