package tasks

import (
	"context"
	"testing"
)

type traceKey struct{}

// The headers of a request reach the handler's context. They do not change the payload.
func TestHeadersTravelWithTheTask(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	plain := enqueueNote(t, c, noteKind())
	c.SendHeaders(func(ctx context.Context) map[string]string {
		return map[string]string{"traceparent": ctx.Value(traceKey{}).(string)}
	})
	id := NewRunID()
	if err := enqueue(context.WithValue(t.Context(), traceKey{}, "00-1"), c, noteKind(), id, note{"hello"}); err != nil {
		t.Fatal(err)
	}
	before, err := c.Lookup(t.Context(), plain)
	after, err2 := c.Lookup(t.Context(), id)
	if err != nil || err2 != nil || string(before.Args) != string(after.Args) {
		t.Errorf("payloads %s and %s; %v, %v", before.Args, after.Args, err, err2)
	}

	began, ended, handled := make(chan Execution, 2), make(chan Done, 2), make(chan any, 2)
	serve(t, url, ServerConfig{Concurrency: 1, Trace: func(ctx context.Context, x Execution) (context.Context, Span) {
		began <- x
		return context.WithValue(ctx, traceKey{}, x.RunID), Span{"t", func(d Done) { ended <- d }}
	}}, noteKind(), func(ctx context.Context, _ Job[note]) (RunResult, error) {
		handled <- ctx.Value(traceKey{})
		return RunResult{}, nil
	})
	for range 2 {
		x, d := <-began, <-ended
		if got := <-handled; got != x.RunID || d.RunID != x.RunID || d.Verdict != VerdictDone || d.Tenant != "acme" {
			t.Errorf("handler's context %v, %+v, %+v", got, x, d)
		}
		want := map[string]string{plain: "", id: "00-1"}[x.RunID]
		if x.Headers["traceparent"] != want || x.Attempt != 1 {
			t.Errorf("%+v, want header %q", x, want)
		}
	}
}
