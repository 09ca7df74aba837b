// Package tasks is the queue's contract: what can be asked of halosync, and
// both ends of the wire. It is the only package that knows asynq.
//
// Each kind of job is declared once, as a [Kind]: its name, its arguments, its
// result, its queue and its limits. Whoever asks uses a [Client]; whoever
// works uses a [Server] with one handler per kind. The product imports this
// package and nothing else of halosync; neither Postgres nor the engine comes
// with it.
//
//	asks:   Open → Import → run id → Wait          (any program)
//	works:  NewServer → Handle → Start → Shutdown  (internal/worker)
//
// # What a run is in the queue
//
// A run is one asynq task. The task id is the run id: 32 hex digits without
// hyphens, because asynqmon cuts ids at the first hyphen. The payload is JSON
// on one line, with ids and choices only, never a secret. The task's result is
// a small copy of the run's record, kept for a day; the record in Postgres is
// the truth.
//
// # What a handler may say
//
//	nil            the run has ended; its result is stored
//	Later(d, err)  again after d; no attempt is spent
//	Never(err)     the run has failed; nobody tries again
//	any other      again with a growing delay, until the attempts are used up
//
// # What a handler must bear
//
// A task may run twice, even at the same moment: asynq hands it to another
// worker when one stops answering for 30 seconds, and it repeats a task whose
// "done" did not reach Redis. Handlers are therefore idempotent and their
// writes are fenced. See [Server] for what is done here to make it rare.
package tasks
