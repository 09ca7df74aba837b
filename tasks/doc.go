// Package tasks defines the requests that halosync accepts, and implements the client
// and the server of their queue. No other package imports asynq.
//
// A [Kind] declares each kind of job once: its name, arguments, result, queue and
// limits. Programs that request runs use a [Client]. Programs that execute runs use a
// [Server] with one handler per kind. The product imports only this package of
// halosync, and therefore does not link Postgres or the engine.
//
//	request: Open → Import → run id → Wait          (any program)
//	execute: NewServer → Handle → Start → Shutdown  (internal/worker)
//
// # A run in the queue
//
// A run is one asynq task. The task id is the run id: 32 hex digits without hyphens,
// because asynqmon truncates ids at the first hyphen. The payload is one line of JSON
// that contains ids and options, never a secret. The task's result is a short copy of
// the run's record; Redis keeps it for a day. The record in Postgres is authoritative.
//
// # What a handler returns
//
//	nil            the run has ended; its result is stored
//	Later(d, err)  try again after d; this costs no attempt
//	Never(err)     the run has failed for good
//	other errors   try again with a growing delay, until no attempt is left
//
// # Handlers are idempotent
//
// A task may run twice, even at the same moment. If a worker stops responding for 30
// seconds, asynq gives its task to another worker. asynq also repeats a task if Redis
// did not receive its "done". Handlers must therefore be idempotent, and fences must
// protect their writes. [Server] lists what it does to make repetition rare.
//
// It has more than 2,500 lines: it contains both ends of one contract, and the scripts
// that keep the ledger and the queue consistent.
package tasks
