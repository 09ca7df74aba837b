package tasks

import (
	"errors"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// forge returns the message of a task in the queue interactive, with some of its fields
// changed.
func forge(t testing.TB, id string, fields map[protoreflect.Name]any) string {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName("asynq.TaskMessage")
	if err != nil {
		t.Fatal(err)
	}
	m := kind.New()
	set := func(name protoreflect.Name, value any) {
		m.Set(m.Descriptor().Fields().ByName(name), protoreflect.ValueOf(value))
	}
	for name, value := range map[protoreflect.Name]any{
		"type": "test:note", "payload": []byte(`{"text":"hello"}`), "id": id, "queue": QueueInteractive, "retry": int32(3), "timeout": int64(60), "retention": int64(60),
	} {
		set(name, value)
	}
	for name, value := range fields {
		set(name, value)
	}
	message, err := proto.Marshal(m.Interface())
	if err != nil {
		t.Fatal(err)
	}
	return string(message)
}

// plant writes a task with any message into a list or a set of the queue interactive.
func plant(t *testing.T, c *Client, state, id, message string) {
	t.Helper()
	const prefix = "asynq:{interactive}:"
	_, err := c.rdb.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.SAdd(t.Context(), queuesKey, QueueInteractive)
		p.HSet(t.Context(), prefix+"t:"+id, "msg", message, "state", state)
		if state == "pending" {
			p.LPush(t.Context(), prefix+state, id)
		} else {
			p.ZAdd(t.Context(), prefix+state, redis.Z{Score: 4e9, Member: id})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// forgotten reports whether Redis holds no data of a task in the queue interactive.
func forgotten(t *testing.T, c *Client, id string) bool {
	t.Helper()
	const prefix = "asynq:{interactive}:"
	n := c.rdb.Exists(t.Context(), prefix+"t:"+id).Val()
	for _, list := range []string{"pending", "active"} {
		for _, member := range c.rdb.LRange(t.Context(), prefix+list, 0, -1).Val() {
			if member == id {
				n++
			}
		}
	}
	for _, set := range []string{"lease", "scheduled", "retry", "archived", "completed"} {
		if c.rdb.ZScore(t.Context(), prefix+set, id).Err() == nil {
			n++
		}
	}
	return n == 0
}

// If asynq cannot decode the message of a task, it takes the task and leaves it active for
// good. If a message has the id or the queue of another task, asynq executes the task but
// cannot end it. The server removes such tasks and logs each of them once.
func TestBrokenTasksEnd(t *testing.T) {
	t.Parallel()
	id, other := NewRunID(), NewRunID()
	good := forge(t, id, nil)
	for name, tc := range map[string]struct {
		id, message, why string
	}{
		"bytes":         {id, "\xff\xfe\xfd", "cannot be decoded"},
		"cut off":       {id, good[:len(good)/2], "cannot be decoded"},
		"not UTF-8":     {id, strings.Replace(good, "test:note", "test:\xff\xff\xff\xff", 1), "cannot be decoded"},
		"huge":          {id, strings.Repeat("\xff", 2<<20), "cannot be decoded"},
		"empty":         {id, "", "the id of another task"},
		"JSON":          {id, `{"id":"` + id + `"}`, "cannot be decoded"},
		"another's id":  {id, forge(t, other, nil), "the id of another task"},
		"another queue": {id, forge(t, id, map[protoreflect.Name]any{"queue": QueueImport}), "belongs to another queue"},
		"unknown queue": {id, forge(t, id, map[protoreflect.Name]any{"queue": "nope"}), "belongs to another queue"},
		"odd id":        {"x\xff" + strings.Repeat("y", 1000), "\xff", "cannot be decoded"},
		"no message":    {id, "none", "no message"},
		"not a hash":    {id, "string", "not a hash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			c := openClient(t, url)
			ctx, key, lease := t.Context(), "asynq:{interactive}:t:"+tc.id, "asynq:{interactive}:lease"
			core, logs := observer.New(zapcore.ErrorLevel)
			seen := new(ledger)
			plant(t, c, "pending", tc.id, tc.message)
			switch name {
			case "no message":
				c.rdb.HDel(ctx, key, "msg")
			case "not a hash":
				c.rdb.Set(ctx, key, "x", 0)
			}
			servers := make([]*Server, 3) // each of them looks for broken tasks
			for i := range servers {
				servers[i] = serve(t, url, ServerConfig{Logger: zap.New(core).Sugar(), Observe: seen.observe}, noteKind(), succeed)
			}
			eventually(t, "taken", func() bool { return c.rdb.LLen(ctx, "asynq:{interactive}:pending").Val() == 0 })
			if name != "not a hash" { // asynq's script fails before it writes the lease
				eventually(t, "lease", func() bool { return c.rdb.ZScore(ctx, lease, tc.id).Err() == nil || forgotten(t, c, tc.id) })
			}
			c.rdb.ZAddXX(ctx, lease, redis.Z{Score: 1, Member: tc.id})
			eventually(t, "removal", func() bool {
				for _, s := range servers {
					if err := s.endBroken(ctx); err != nil {
						t.Error(err)
					}
				}
				return forgotten(t, c, tc.id)
			})
			for _, s := range servers {
				shutdown(t, s)
			}
			lines := logs.FilterMessage("task").Filter(func(e observer.LoggedEntry) bool { // asynq has also executed some of them
				text, _ := e.ContextMap()["error"].(string)
				return strings.HasPrefix(text, "broken task")
			}).All()
			if len(lines) != 1 {
				t.Fatalf("%d log lines, want 1: %v", len(lines), lines)
			}
			line := lines[0].ContextMap()
			if text, _ := line["error"].(string); !strings.Contains(text, tc.why) || line["queue"] != QueueInteractive || line["verdict"] != "never" || len(text) > 200 {
				t.Errorf("logged %v, want %q", line, tc.why)
			}
			counted := 0
			for _, d := range seen.done {
				if _, ok := errors.AsType[*brokenError](d.Err); ok {
					counted++
					if d.Verdict != VerdictNever || d.Kind != "other" || d.Queue != QueueInteractive {
						t.Errorf("observed %+v", d)
					}
				}
			}
			if counted != 1 {
				t.Errorf("%d broken tasks counted, want 1", counted)
			}
		})
	}
}

// A message that cannot be decoded stops asynq's recoverer. The task of a crashed worker
// must still be executed.
func TestBrokenTaskDoesNotStopRecovery(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	broken, id := NewRunID(), enqueueNote(t, c, noteKind())
	plant(t, c, "pending", broken, "\xff")
	abandon(t, c, QueueInteractive, broken)
	abandon(t, c, QueueInteractive, id)
	s := openServer(t, url, ServerConfig{})
	Handle(s, noteKind(), succeed)
	if err := s.endBroken(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(t, s)
	recovered(t, c, id, 1)
	if !forgotten(t, c, broken) {
		t.Error("the broken task is still in Redis")
	}
}

// Broken tasks do not prevent other runs from being recorded, enqueued and looked up, and
// a broken task of a run in the ledger is replaced.
func TestBrokenTasksAreReplaced(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	ctx := t.Context()
	args := validImport()
	receipt, err := c.Import(ctx, args)
	if err != nil {
		t.Fatal(err)
	}
	unrecorded := []any{"x", "", "not/a/run", strings.Repeat("\xff", 100)}
	var broken []string
	for _, state := range []string{"pending", "retry", "scheduled", "archived", "completed"} {
		for _, message := range []string{"\xff", "", forge(t, NewRunID(), nil)} {
			id := NewRunID()
			broken, unrecorded = append(broken, id), append(unrecorded, id)
			plant(t, c, state, id, message)
		}
	}
	id := NewRunID()
	broken, unrecorded = append(broken, id), append(unrecorded, id)
	plant(t, c, "pending", id, forge(t, id, nil))
	c.rdb.HSet(ctx, "asynq:{interactive}:t:"+id, "state", "lost")
	if err := c.rdb.LPush(ctx, unrecordedKey, unrecorded...).Err(); err != nil {
		t.Fatal(err)
	}
	got, err := c.TakeUnrecorded(ctx, 100)
	if err != nil || len(got) != 1 || got[0].RunID != receipt.RunID {
		t.Errorf("unrecorded: %+v, %v", got, err)
	}
	seen := new(ledger)
	for _, id := range broken {
		if _, err := c.Status(ctx, id); err == nil || !strings.Contains(err.Error(), "broken task") {
			t.Errorf("status: %v", err)
		}
		if err := c.Forget(ctx, id); err != nil {
			t.Errorf("forget: %v", err)
		}
		if err := c.RunNow(ctx, id); err != nil {
			t.Errorf("run now: %v", err)
		}
		for range 2 {
			if err := Enqueue(ctx, c, noteKind(), id, note{"hello"}); err != nil {
				t.Errorf("enqueue: %v", err)
			}
		}
	}
	serve(t, url, ServerConfig{Observe: seen.observe}, noteKind(), succeed)
	for _, id := range broken {
		if info := await(t, c, id); info.State != asynq.TaskStateCompleted {
			t.Errorf("ended as %v: %s", info.State, info.LastErr)
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, d := range seen.done {
		if d.Verdict != VerdictDone && d.RunID != receipt.RunID { // that is an import
			t.Errorf("observed %+v", d)
		}
	}
}

// A task with a forged number of attempts ends. asynq would retry it billions of times.
func TestForgedAttempts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fields map[protoreflect.Name]any
		want   string
	}{
		"negative":                 {map[protoreflect.Name]any{"retried": int32(-1 << 31)}, "negative"},
		"negative, unknown kind":   {map[protoreflect.Name]any{"retried": int32(-1), "type": "test:none"}, "negative"},
		"many, unknown kind":       {map[protoreflect.Name]any{"retry": int32(1<<31 - 1), "retried": int32(maxAttempts - 1), "type": "test:none"}, "no handler"},
		"more than all":            {map[protoreflect.Name]any{"retry": int32(3), "retried": int32(1<<31 - 1)}, "no attempts left"},
		"no retry, unknown kind":   {map[protoreflect.Name]any{"retry": int32(-1 << 31), "type": "test:none"}, "no handler"},
		"binary payload":           {map[protoreflect.Name]any{"retry": int32(1<<31 - 1), "payload": []byte("\xff\x00")}, "not a JSON object"},
		"payload of two megabytes": {map[protoreflect.Name]any{"retry": int32(1<<31 - 1), "payload": []byte(`{"text":"` + strings.Repeat("x", 2<<20) + `"}`)}, "at most 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			c := openClient(t, url)
			core, logs := observer.New(zapcore.ErrorLevel)
			seen := new(ledger)
			s := serve(t, url, ServerConfig{Logger: zap.New(core).Sugar(), Observe: seen.observe}, noteKind(), succeed)
			id := NewRunID()
			plant(t, c, "pending", id, forge(t, id, tc.fields))
			if info := await(t, c, id); info.State != asynq.TaskStateArchived || !strings.Contains(info.LastErr, tc.want) {
				t.Errorf("ended as %v: %s, want %q", info.State, info.LastErr, tc.want)
			}
			shutdown(t, s)
			if lines := logs.FilterMessage("task").All(); len(lines) != 1 {
				t.Errorf("%d log lines, want 1: %v", len(lines), lines)
			}
			if v := seen.verdicts(); len(v) != 1 || v[0] != VerdictNever {
				t.Errorf("verdicts %v", v)
			}
		})
	}
}
