package tasks

import (
	"context"
	"errors"
	"fmt"
)

// ErrArguments means that stored arguments are not valid for their kind.
var ErrArguments = errors.New("arguments of the run")

// Stored is a request as the ledger stores it.
type Stored struct {
	Tenant, ConnectionID, RequestedBy string

	Key  string // see [Key]
	Args []byte // canonical JSON
}

// entry is a registered kind without its types. Its arguments are JSON.
type entry struct {
	read    func(args []byte) (Stored, error)
	enqueue func(ctx context.Context, c *Client, runID string, args []byte) error
}

// kindByName returns the kind with that name.
func kindByName(name string) (entry, error) {
	switch name {
	case KindImport:
		return newEntry(Import()), nil
	case KindMap:
		return newEntry(Map()), nil
	case KindUnmap:
		return newEntry(Unmap()), nil
	case KindResync:
		return newEntry(Resync()), nil
	case KindSuggest:
		return newEntry(Suggest()), nil
	}
	return entry{}, fmt.Errorf("%w: kind %q is unknown", ErrArguments, excerpt([]byte(name), 40))
}

func newEntry[A Args[A], R any](kind Kind[A, R]) entry {
	read := func(raw []byte) (A, error) {
		args, err := decode[A](raw)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrArguments, err)
		}
		return args, err
	}
	return entry{
		read: func(raw []byte) (Stored, error) {
			args, err := read(raw)
			if err != nil {
				return Stored{}, err
			}
			s := args.Origin()
			s.Key = Key(kind.Name, args)
			s.Args, err = encode(args)
			return s, err
		},
		enqueue: func(ctx context.Context, c *Client, runID string, raw []byte) error {
			args, err := read(raw)
			if err != nil {
				return err
			}
			return Enqueue(ctx, c, kind, runID, args)
		},
	}
}

// ReadStored reads a request from the name of its kind and the JSON of its arguments.
// It decodes strictly. If the request is invalid, it returns an [ErrArguments] that
// describes the fault.
func ReadStored(kind string, args []byte) (Stored, error) {
	k, err := kindByName(kind)
	if err != nil {
		return Stored{}, err
	}
	return k.read(args)
}

// EnqueueStored is like [Enqueue], but takes the stored form of a request: the name of
// the kind and the JSON of the arguments.
func EnqueueStored(ctx context.Context, c *Client, kind, runID string, args []byte) error {
	k, err := kindByName(kind)
	if err != nil {
		return err
	}
	return k.enqueue(ctx, c, runID, args)
}

// statementSQL calls the database function that requests a run.
const statementSQL = `select replace(halosync.enqueue($1, $2, $3::uuid, $4::jsonb, $5)::text, '-', '')`

// Statement returns an SQL statement that requests a run in the caller's own
// transaction, and its parameters, for any Postgres driver. The statement returns the
// run's id as text. Once the transaction commits, the run will be executed even if
// Redis loses its data. [Client.Wait] waits for the run. If the same request (see
// [Key]) is already waiting or running, the statement returns the id of that run.
//
// Statement checks the arguments itself and returns an error for invalid ones.
func Statement[A Args[A], R any](kind Kind[A, R], args A) (query string, params []any, err error) {
	if err := kind.fault(); err != nil {
		return "", nil, err
	}
	args = args.Canonical()
	payload, err := encode(args)
	if err != nil {
		return "", nil, err
	}
	origin := args.Origin()
	return statementSQL, []any{kind.Name, origin.Tenant, origin.ConnectionID, string(payload), origin.RequestedBy}, nil
}
