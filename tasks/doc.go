// Package tasks is the contract of the queue: the requests that halosync accepts, and
// the client and the server for them. It is the only package that imports asynq.
//
// Each kind of job is declared once, as a [Kind]: its name, arguments, result, queue
// and limits. Programs that request runs use a [Client]. Programs that execute them use
// a [Server] with one handler per kind. The product imports this package and nothing
// else of halosync; it links neither Postgres nor the engine.
//
//	request: Open → Import → run id → Wait          (any program)
//	execute: NewServer → Handle → Start → Shutdown  (internal/worker)
//
// # A run in the queue
//
// A run is one asynq task. The task id is the run id: 32 hex digits without hyphens,
// because asynqmon cuts ids at the first hyphen. The payload is JSON on one line, with
// ids and choices only, never a secret. The task's result is a small copy of the run's
// record, kept for a day. The record in Postgres is the truth.
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
// A task may run twice, even at the same moment: asynq gives it to another worker when
// one stops answering for 30 seconds, and it repeats a task whose "done" did not reach
// Redis. Handlers must therefore be idempotent, and their writes fenced. [Server] lists
// what it does to make this rare.
//
// It has more than 2,500 lines: both ends of one contract, with the scripts that keep ledger
// and queue together.
package tasks
