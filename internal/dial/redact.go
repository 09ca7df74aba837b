package dial

import (
	"context"
	"sync"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/secret"
)

// Secrets holds the secrets that [Dialer.Open] read with one context. Redact removes them
// from errors, including panics in libraries.
type Secrets struct {
	mu      sync.Mutex
	secrets []secret.String
}

type secretsKey struct{}

// WithSecrets returns a context with which [Dialer.Open] records the secrets that it
// reads.
func WithSecrets(ctx context.Context) (context.Context, *Secrets) {
	o := &Secrets{}
	return context.WithValue(ctx, secretsKey{}, o), o
}

// noteSecret records a secret if ctx comes from [WithSecrets].
func noteSecret(ctx context.Context, s secret.String) {
	if o, ok := ctx.Value(secretsKey{}).(*Secrets); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.secrets = append(o.secrets, s)
	}
}

// Redact removes the secrets, and everything that looks like a token, from the text of
// err. It returns nil for nil.
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
	original := err.Error()
	if text := halo.Redact(original, plain...); text != original {
		return &redactedError{text, err}
	}
	return err
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }

// Unwrap returns the original error for errors.Is and errors.As. Do not show it.
func (e *redactedError) Unwrap() error { return e.err }
