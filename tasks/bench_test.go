package tasks

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
)

// BenchmarkEnqueue compares a request through a Client with one through asynq's own
// client, with the same payload and options.
func BenchmarkEnqueue(b *testing.B) {
	for _, parallel := range []int{1, 10} {
		b.Run(fmt.Sprintf("atOnce=%d/by=tasks", parallel), func(b *testing.B) {
			c := openClient(b, database(b))
			inParallel(b, parallel, func(i int64) error {
				receipt, err := c.Import(b.Context(), searchFor(i))
				if err == nil && receipt.Existing {
					err = fmt.Errorf("request %d was treated as a duplicate", i)
				}
				return err
			})
		})
		b.Run(fmt.Sprintf("atOnce=%d/by=asynq", parallel), func(b *testing.B) {
			c, kind := asynq.NewClientFromRedisClient(connect(b, database(b))), Import()
			inParallel(b, parallel, func(i int64) error {
				args := searchFor(i)
				payload, err := json.Marshal(args)
				if err != nil {
					return err
				}
				_, err = c.EnqueueContext(b.Context(), asynq.NewTask(kind.Name, payload), kind.options(uuid.Must(uuid.NewV7()).String(), args)...)
				return err
			})
		})
	}
}

func searchFor(i int64) ImportArgs {
	return ImportArgs{Tenant: "acme", ConnectionID: testUUID, Search: fmt.Sprint("client ", i), RequestedBy: "bench"}
}

// inParallel calls the function do b.N times, with atOnce calls at a time.
func inParallel(b *testing.B, atOnce int, do func(i int64) error) {
	b.Helper()
	b.ReportAllocs()
	var next atomic.Int64
	if err := do(next.Add(1)); err != nil { // open connections and load scripts first
		b.Fatal(err)
	}
	b.SetParallelism(max(1, atOnce/2)) // SetParallelism multiplies this by GOMAXPROCS
	b.ResetTimer()
	if atOnce == 1 {
		for range b.N {
			if err := do(next.Add(1)); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(next.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkEncode encodes arguments as a payload and computes the request's key.
func BenchmarkEncode(b *testing.B) {
	for name, args := range benchArgs() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encode(args); err != nil {
					b.Fatal(err)
				}
				Key(KindImport, args)
			}
		})
	}
}

// BenchmarkDecode decodes a payload as the server does.
func BenchmarkDecode(b *testing.B) {
	for name, args := range benchArgs() {
		b.Run(name, func(b *testing.B) {
			payload, err := encode(args)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if _, err := decode[ImportArgs](payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchArgs() map[string]ImportArgs {
	many := validImport()
	many.All, many.ClientIDs = false, ids(MaxClientIDs)
	return map[string]ImportArgs{"search": searchFor(1), "ids=10000": many}
}
