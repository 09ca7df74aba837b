package installation

import (
	"time"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// Long reports whether tests run in their long form, see [devstack.Long].
func Long() bool { return devstack.Long() }

// Queues are the names of all queues.
var Queues = []string{tasks.QueueInteractive, tasks.QueueImport, tasks.QueueResync}

// Leap makes every time that is written down older by d: what workers, Redis and
// Postgres see when d passes in which nothing happens. So what waits for a lease to
// expire, for a run's heartbeat to be missed or for a retry to be due need not be
// waited for. Processes that run keep their own timers. The long forms of the
// tests let the same time pass for real.
func (in *Installation) Leap(d time.Duration) {
	in.T.Helper()
	rdb := in.ConnectRedis(in.Redis)
	for _, queue := range Queues {
		for _, set := range []string{"lease", "retry", "scheduled"} {
			key := "asynq:{" + queue + "}:" + set
			members, err := rdb.ZRange(in.T.Context(), key, 0, -1).Result()
			if err != nil {
				in.T.Fatal(err)
			}
			for _, member := range members {
				if err := rdb.ZIncrBy(in.T.Context(), key, -d.Seconds(), member).Err(); err != nil {
					in.T.Fatal(err)
				}
			}
		}
	}
	repotest.Exec(in.T, in.DB, `
		update halosync.runs set beat_at = beat_at - $1::interval, dispatched_at = dispatched_at - $1::interval, not_before = not_before - $1::interval
		where finished_at is null`, d)
}
