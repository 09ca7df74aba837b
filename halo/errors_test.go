package halo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  Error
		want string
	}{
		{Error{Op: "list clients page 7", Status: 502, Attempts: 4, Excerpt: "Bad Gateway", kind: ErrUnavailable}, "list clients page 7: status 502 (4 attempts): Bad Gateway"},
		{Error{Op: "list clients page 7", Status: 403, Attempts: 1, kind: ErrForbidden}, "list clients page 7: status 403"},
		{Error{Op: "read client 3", Status: 429, Attempts: 1, RetryAfter: 61 * time.Second, kind: ErrThrottled}, "read client 3: status 429 (retry after 1m1s)"},
		{Error{Op: "read client 3", Status: 503, Attempts: 2, RetryAfter: 9 * time.Second, kind: ErrUnavailable}, "read client 3: status 503 (2 attempts, retry after 9s)"},
		{Error{Op: OpToken, Attempts: 3, kind: ErrUnavailable, cause: io.ErrUnexpectedEOF}, "fetch token: unavailable (3 attempts): unexpected EOF"},
		{Error{Op: OpToken, Status: 200, Attempts: 1, Excerpt: "Login", kind: ErrNotHalo, cause: errors.New("is it right?")}, "fetch token: status 200: not an answer from Halo's API: Login: is it right?"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("page 3: %w", &Error{Op: "x", kind: ErrThrottled, cause: context.DeadlineExceeded, RetryAfter: time.Minute})
	if !errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnavailable) {
		t.Error("error has the wrong kind")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("the cause looks like the end of the caller's context")
	}
	if after, ok := RetryAfter(err); !ok || after != time.Minute {
		t.Errorf("RetryAfter = %v, %t", after, ok)
	}
	for _, err := range []error{nil, io.EOF, &Error{Op: "x", kind: ErrUnavailable}} {
		if after, ok := RetryAfter(err); ok || after != 0 {
			t.Errorf("RetryAfter(%v) = %v, %t", err, after, ok)
		}
	}
}
