package tasks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Key identifies a request. Two requests are the same if they have the same kind and
// the same canonical arguments. The key is 32 hex digits: the first half of the SHA-256
// hash of the kind, a line feed, and the canonical JSON of the arguments without
// requested_by. The algorithm must not change, because the ledger and Redis store keys.
// With a different key, the same request could run twice at once.
func Key[A Args[A]](kind string, args A) string {
	text, err := json.Marshal(args.identity())
	if err != nil { // impossible for strings, numbers and booleans
		panic(fmt.Sprintf("tasks: arguments of %s: %v", kind, err))
	}
	sum := sha256.Sum256(append([]byte(kind+"\n"), text...))
	return hex.EncodeToString(sum[:16])
}

// NewRunID returns a new run id: a version 7 UUID as 32 hex digits without hyphens. Run
// ids sort by creation time.
func NewRunID() string {
	id := uuid.Must(uuid.NewV7())
	return hex.EncodeToString(id[:])
}

// parseRunID returns a run id as 32 hex digits. It accepts ids with or without hyphens.
func parseRunID(s string) (string, error) {
	if len(s) == 32 || len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil {
			return hex.EncodeToString(id[:]), nil
		}
	}
	return "", fmt.Errorf("run id %q: want 32 hex digits", excerpt([]byte(s), 40))
}

// excerpt returns at most the first n bytes of b as valid UTF-8, for logs and errors.
// The input may be untrusted.
func excerpt(b []byte, n int) string {
	more := ""
	if len(b) > n {
		b, more = b[:n], "…"
	}
	return strings.ToValidUTF8(string(b), "�") + more
}
