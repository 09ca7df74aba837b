// Package telemetry is what operations see of a worker: its logger, its
// metrics and the listener with health and metrics pages.
package telemetry

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger writes to w in the given format, "json" (one object a line, times
// in RFC 3339 UTC) or "console". The level can be changed through the
// returned handle while the process runs.
func NewLogger(w io.Writer, format string, level zapcore.Level) (*zap.Logger, zap.AtomicLevel, error) {
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey, enc.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	var encoder zapcore.Encoder
	switch format {
	case "json":
		encoder = zapcore.NewJSONEncoder(enc)
	case "console":
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	default:
		return nil, zap.AtomicLevel{}, fmt.Errorf("log format %q: want json or console", format)
	}
	atomic := zap.NewAtomicLevelAt(level)
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), atomic)
	return zap.New(core), atomic, nil
}
