package run

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

func TestRule(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		age  time.Duration
		want ruling
	}{
		{err: ErrDraining, want: ruling{verdict: later}},
		{err: errSliceOver, age: 48 * time.Hour, want: ruling{verdict: later}}, // the run is making progress
		{err: repo.ErrFenced, want: ruling{verdict: later}},
		{err: &repo.BusyError{}, want: ruling{verdict: later, after: minBusyWait}},
		{err: &repo.BusyError{}, age: 25 * time.Hour, want: ruling{verdict: never}},
		{err: fmt.Errorf("list clients: %w", &ratelimit.BudgetError{After: 7 * time.Second}), want: ruling{verdict: later, after: 7 * time.Second}},
		{err: &ratelimit.BudgetError{After: time.Minute}, age: 72 * time.Hour, want: ruling{verdict: later, after: time.Minute}}, // our own budget, not Halo
		{err: context.Canceled, want: ruling{verdict: again}},
		{err: halo.ErrCredentials, want: ruling{verdict: never, reconnect: true}},
		{err: halo.ErrUnauthorized, want: ruling{verdict: never, reconnect: true}},
		{err: halo.ErrForbidden, want: ruling{verdict: never, reconnect: true}},
		{err: errors.Join(halo.ErrThrottled, &halo.Error{RetryAfter: 2 * time.Minute}), want: ruling{verdict: later, after: 2 * time.Minute}},
		{err: errors.Join(halo.ErrThrottled, &halo.Error{RetryAfter: 2 * time.Hour}), want: ruling{verdict: later, after: 15 * time.Minute}},
		{err: halo.ErrThrottled, want: ruling{verdict: later, after: retryLater}},
		{err: halo.ErrUnavailable, age: 23 * time.Hour, want: ruling{verdict: later, after: retryLater}},
		{err: halo.ErrUnavailable, age: 25 * time.Hour, want: ruling{verdict: never}},
		{err: &bulkhead.FullError{Name: "suggestions", Tenant: true}, want: ruling{verdict: later, after: minBusyWait}},
		{err: errors.Join(halo.ErrBusy, &bulkhead.FullError{Name: "memory"}), want: ruling{verdict: later, after: retryLater}},
		{err: halo.ErrNotHalo, want: ruling{verdict: again}},
		{err: halo.ErrNoToken, want: ruling{verdict: again, reconnect: true}}, // only after all attempts have been used up
		{err: halo.ErrRefused, want: ruling{verdict: never}},
		{err: halo.ErrInvalid, want: ruling{verdict: never}},
		{err: secret.ErrUnknownKey, want: ruling{verdict: later, after: retryKeys}}, // another worker may have the key
		{err: secret.ErrUnknownKey, age: 25 * time.Hour, want: ruling{verdict: never}},
		{err: secret.ErrOpen, want: ruling{verdict: never}},
		{err: repo.ErrNotFound, want: ruling{verdict: never}},
		{err: errors.New("anything else"), want: ruling{verdict: again}},
	} {
		if got := rule(fmt.Errorf("page 7: %w", tt.err), tt.age); got != tt.want {
			t.Errorf("%v after %v: %+v, want %+v", tt.err, tt.age, got, tt.want)
		}
	}
}
