package tasks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Key says which requests are the same one: those of the same kind with the
// same canonical arguments, whoever asks. It is 32 hex digits, the first half
// of SHA-256 over the kind, a line feed and the arguments' canonical JSON
// without who requested them. It is stable: the ledger and Redis keep it, so a
// change of it lets a request through that is running already.
func Key[A Args[A]](kind string, args A) string {
	text, err := json.Marshal(args.identity())
	if err != nil {
		// Arguments are strings, numbers and booleans; encoding them cannot fail.
		panic(fmt.Sprintf("tasks: arguments of %s: %v", kind, err))
	}
	sum := sha256.Sum256(append([]byte(kind+"\n"), text...))
	return hex.EncodeToString(sum[:16])
}

// NewRunID makes a run id: a version 7 uuid, so that ids sort by time, as 32
// hex digits without hyphens.
func NewRunID() string {
	id := uuid.Must(uuid.NewV7())
	return hex.EncodeToString(id[:])
}

// parseRunID takes a run id with or without hyphens and returns it as the
// queue keeps it.
func parseRunID(s string) (string, error) {
	if len(s) == 32 || len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil {
			return hex.EncodeToString(id[:]), nil
		}
	}
	return "", fmt.Errorf("run id %q: want 32 hex digits", excerpt([]byte(s), 40))
}

// excerpt is the beginning of a text from outside, at most n bytes of it, fit
// for a log line.
func excerpt(b []byte, n int) string {
	more := ""
	if len(b) > n {
		b, more = b[:n], "…"
	}
	return strings.ToValidUTF8(string(b), "�") + more
}
