package tasks

import (
	"context"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// LogRedis sends what the Redis client library reports (connections that
// cannot be made, mostly) to a logger instead of standard error. The library
// has one logger for the whole process, so this is for programs to call, once,
// before anything is open. Addresses are logged, passwords are not.
func LogRedis(log *zap.SugaredLogger) { redis.SetLogger(redisLogger{log.Named("redis")}) }

type redisLogger struct{ log *zap.SugaredLogger }

// Printf implements the library's interface. Its lines are about attempts
// that it repeats, so they are warnings; what fails for good is an error.
func (l redisLogger) Printf(_ context.Context, format string, args ...any) {
	l.log.Warnf(format, args...)
}
