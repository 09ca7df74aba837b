package bulkhead

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Memory is the process's budget of bytes for data that arrives from outside: the answers
// of Halo instances and the bodies of requests. It is safe for concurrent use.
//
// The budget has two halves. Most answers are small and need neither half. The reader of
// a large answer first reserves [Medium] bytes of the first half and then, while it holds
// these, the rest of its limit in the second half. A caller that holds bytes of the
// second half never waits again, so two callers cannot deadlock.
//
// A tenant that has used up its quota of bytes must wait before its next reservation,
// because large answers also cost processor time.
type Memory struct {
	medium, large *Bulkhead
	pace          *rate.Limiter // bytes of all tenants
	decoding      *semaphore.Weighted

	mu    sync.Mutex
	quota Recent[*quota] // bytes that each tenant may read
}

const (
	// DefaultMemory is the budget of a process in bytes.
	DefaultMemory = 128 << 20
	// Medium is the number of bytes that an answer may use before it needs a part of the
	// second half.
	Medium = 2 << 20
	// A caller waits at most mediumWait for bytes of the first half and largeWait for
	// bytes of the second. Together with the time for reading, this is less than the 30 s
	// of an attempt. largeWait is short, because the caller holds bytes of the first half
	// while it waits.
	mediumWait = 15 * time.Second
	largeWait  = 5 * time.Second
	// A tenant may read bytesAtOnce in large answers, and may finish the answer that
	// exceeds this quota. The quota refills at bytesPerSecond. Ordinary pages do not
	// count against it. Decompressing and decoding 31 MiB takes about 100 ms of processor
	// time.
	bytesPerSecond = 1 << 20
	bytesAtOnce    = 16 << 20
	// All tenants together read at most totalPerSecond in large answers, in small steps,
	// so that decompressing does not delay everything else.
	totalPerSecond = 32 << 20
	totalAtOnce    = 256 << 10
)

// NewMemory returns a budget. A tenant may use an eighth of the first half and a half of
// the second one: with [DefaultMemory], two answers of up to [Medium] bytes at the same
// time, and one of 32 MiB.
func NewMemory(total int64) *Memory {
	half := total / 2
	return &Memory{medium: New("memory", half, half/8), large: New("large_memory", half, half/2), pace: rate.NewLimiter(totalPerSecond, totalAtOnce), decoding: semaphore.NewWeighted(1)}
}

// Reserve takes n bytes, at most [Medium] and a little more, until release is called. See
// [Bulkhead.Acquire] for the errors.
func (m *Memory) Reserve(ctx context.Context, tenant string, n int64) (release func(), err error) {
	return m.take(ctx, m.medium, mediumWait, tenant, n)
}

// ReserveLarge takes n more bytes for a caller that has [Medium] bytes.
func (m *Memory) ReserveLarge(ctx context.Context, tenant string, n int64) (release func(), err error) {
	return m.take(ctx, m.large, largeWait, tenant, n)
}

// take waits until the tenant's quota is not used up, and takes n bytes of a half.
func (m *Memory) take(ctx context.Context, half *Bulkhead, wait time.Duration, tenant string, n int64) (release func(), err error) {
	deadline := time.Now().Add(wait)
	for {
		if debt := m.debt(tenant); debt > time.Until(deadline) {
			return nil, half.refused(ctx, true)
		} else if debt > 0 {
			select {
			case <-time.After(debt):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		release, err := half.Acquire(ctx, time.Until(deadline), tenant, n)
		if err != nil || m.debt(tenant) == 0 {
			return release, err
		}
		release() // another answer was charged in the meantime
	}
}

// Pace waits until n more bytes of a large answer may be read. The argument n is at most
// 256 KiB.
func (m *Memory) Pace(ctx context.Context, n int) error { return m.pace.WaitN(ctx, n) }

// Decode waits until the caller may decode a large answer. Only one is decoded at a time,
// so that the other processors are free for everything else.
func (m *Memory) Decode(ctx context.Context) (done func(), err error) {
	if err := m.decoding.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { m.decoding.Release(1) }, nil
}

// Charge counts the bytes of an answer that had a reservation.
func (m *Memory) Charge(tenant string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quotaOf(tenant).left -= float64(n)
}

// debt returns how long a tenant must wait until its quota is no longer used up.
func (m *Memory) debt(tenant string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.quotaOf(tenant).left
	if left >= 0 {
		return 0
	}
	return time.Duration(-left/bytesPerSecond*float64(time.Second)) + time.Millisecond
}

// quota is the number of bytes that a tenant may still read.
type quota struct {
	left float64 // bytes; negative after a large answer
	at   time.Time
}

// quotaOf returns a tenant's quota at this time. The caller must hold m.mu.
func (m *Memory) quotaOf(tenant string) *quota {
	now := time.Now()
	q := m.quota.Get(tenant, now, func() *quota { return &quota{bytesAtOnce, now} })
	q.left = min(bytesAtOnce, q.left+now.Sub(q.at).Seconds()*bytesPerSecond)
	q.at = now
	return q
}

// Bulkheads returns the halves of the budget.
func (m *Memory) Bulkheads() []*Bulkhead { return []*Bulkhead{m.medium, m.large} }
