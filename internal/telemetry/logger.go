// Package telemetry contains a worker's logger and metrics, and the listener that serves
// its health and metrics pages.
package telemetry

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/halosync/halosync/internal/plaintext"
)

// NewLogger returns a logger that writes to w in the format "json" (one object per line, times
// in RFC 3339) or "console". The returned level can be changed at any time.
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
	core := zapcore.NewCore(safeEncoder{encoder}, zapcore.Lock(zapcore.AddSync(w)), atomic)
	return zap.New(core), atomic, nil
}

// safeEncoder escapes control characters and line breaks, because untrusted names and
// errors could otherwise control a terminal or forge a log line.
type safeEncoder struct{ zapcore.Encoder }

// Clone returns a copy.
func (t safeEncoder) Clone() zapcore.Encoder { return safeEncoder{t.Encoder.Clone()} }

// EncodeEntry encodes one line.
func (t safeEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	entry.Message, entry.LoggerName = plaintext.Printable(entry.Message), plaintext.Printable(entry.LoggerName)
	line, err := t.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return line, err
	}
	if raw := line.Bytes(); len(raw) > 0 {
		if safe := plaintext.Escape(raw); &safe[0] != &raw[0] {
			line.Reset()
			_, _ = line.Write(safe) // a write to memory never fails
		}
	}
	return line, nil
}
