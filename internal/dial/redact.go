package dial

import (
	"context"
	"sync"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/secret"
)

// Secrets are the secrets that were opened under a context. Errors under it, also of a
// panic in a library, are shown without them.
type Secrets struct {
	mu      sync.Mutex
	secrets []secret.String
}

type secretsKey struct{}

// WithSecrets returns a context under which [Dialer.Open] notes the secrets that it
// opens.
func WithSecrets(ctx context.Context) (context.Context, *Secrets) {
	o := &Secrets{}
	return context.WithValue(ctx, secretsKey{}, o), o
}

// opened notes a secret, if ctx is one of [WithSecrets].
func opened(ctx context.Context, s secret.String) {
	if o, ok := ctx.Value(secretsKey{}).(*Secrets); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.secrets = append(o.secrets, s)
	}
}

// Redact returns an error that says the same without the secrets, and without what
// looks like a token. nil stays nil.
func (o *Secrets) Redact(err error) error {
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

// Unwrap returns the original error, to be told apart and not to be shown.
func (e *redactedError) Unwrap() error { return e.err }
