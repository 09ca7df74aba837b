// Package telemetry is what operations see of a worker: its logger, its
// metrics and the listener with health and metrics pages.
package telemetry

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/halosync/halosync/internal/plaintext"
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
	core := zapcore.NewCore(tame{encoder}, zapcore.Lock(zapcore.AddSync(w)), atomic)
	return zap.New(core), atomic, nil
}

// tame is an encoder whose lines cannot drive the terminal they are read on,
// nor pass for two: what is logged holds names and errors from elsewhere.
type tame struct{ zapcore.Encoder }

// Clone returns a copy that is tame as well.
func (t tame) Clone() zapcore.Encoder { return tame{t.Encoder.Clone()} }

// EncodeEntry encodes one line.
func (t tame) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	entry.Message, entry.LoggerName = plaintext.Printable(entry.Message), plaintext.Printable(entry.LoggerName)
	line, err := t.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return line, err
	}
	if raw := line.Bytes(); len(raw) > 0 {
		if safe := plaintext.Escape(raw); &safe[0] != &raw[0] {
			line.Reset()
			_, _ = line.Write(safe) // into memory
		}
	}
	return line, nil
}
