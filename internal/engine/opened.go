package engine

import (
	"context"
	"sync"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/secret"
)

// opened are the secrets that an execution has in hand: whatever goes wrong in
// it, a panic in somebody else's code included, is told without them.
type opened struct {
	mu      sync.Mutex
	secrets []secret.String
}

type openedKey struct{}

func withOpened(ctx context.Context) (context.Context, *opened) {
	o := &opened{}
	return context.WithValue(ctx, openedKey{}, o), o
}

// openedIn notes that an execution, if ctx is one's, has opened a secret.
func openedIn(ctx context.Context, s secret.String) {
	if o, ok := ctx.Value(openedKey{}).(*opened); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.secrets = append(o.secrets, s)
	}
}

// redact gives an error that says the same without the secrets, and without
// what looks like a token. nil stays nil.
func (o *opened) redact(err error) error {
	if err == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	plain := make([]string, len(o.secrets))
	for i, s := range o.secrets {
		plain[i] = s.Reveal()
	}
	said := err.Error()
	if text := halo.Redact(said, plain...); text != said {
		return &redactedError{text, err}
	}
	return err
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }

// Unwrap gives the error as it was, to be told apart and not to be shown.
func (e *redactedError) Unwrap() error { return e.err }
