package bulkhead

import (
	"context"
	"time"
)

// Memory is the process's budget of bytes for what arrives from outside: answers of
// Halos, for runs and for people, and the bodies of requests. It is safe for concurrent
// use.
//
// It has two halves. Most answers need neither, because they are small. A large answer
// first reserves [Medium] bytes of the first half and then, while it holds them, the rest
// of its limit in the second. Whoever holds bytes of the second half waits for nothing
// more, so the callers cannot block each other.
type Memory struct{ medium, large *Bulkhead }

const (
	// DefaultMemory is the budget of a process in bytes.
	DefaultMemory = 128 << 20
	// Medium is the number of bytes that an answer may use before it needs a part of the
	// second half.
	Medium = 2 << 20
	// A caller waits at most mediumWait for bytes of the first half and largeWait for
	// bytes of the second. Together with the time for reading, this is less than the 30 s
	// of an attempt. largeWait is short, because the caller holds bytes meanwhile.
	mediumWait = 15 * time.Second
	largeWait  = 5 * time.Second
)

// NewMemory returns a budget. A tenant may use an eighth of the first half and a half of
// the second one: with [DefaultMemory], two answers of up to [Medium] bytes at the same
// time, and one of 32 MiB.
func NewMemory(total int64) *Memory {
	half := total / 2
	return &Memory{New("memory", half, half/8), New("large_memory", half, half/2)}
}

// Reserve takes n bytes, at most [Medium] and a little more, until release is called. See
// [Bulkhead.Acquire] for the errors.
func (m *Memory) Reserve(ctx context.Context, tenant string, n int64) (release func(), err error) {
	return m.medium.Acquire(ctx, mediumWait, tenant, n)
}

// ReserveLarge takes n more bytes for a caller that has [Medium] bytes.
func (m *Memory) ReserveLarge(ctx context.Context, tenant string, n int64) (release func(), err error) {
	return m.large.Acquire(ctx, largeWait, tenant, n)
}

// Bulkheads returns the halves of the budget.
func (m *Memory) Bulkheads() []*Bulkhead { return []*Bulkhead{m.medium, m.large} }
