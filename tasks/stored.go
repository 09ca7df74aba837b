package tasks

import (
	"context"
	"errors"
	"fmt"
)

// ErrArguments says that stored arguments are not those of their kind.
var ErrArguments = errors.New("arguments of the run")

// Stored is a request as the ledger keeps it.
type Stored struct {
	Tenant, ConnectionID, RequestedBy string

	Key  string // see [Key]
	Args []byte // canonical JSON
}

// storedKind is what can be done with a kind whose arguments are JSON.
type storedKind struct {
	read    func(args []byte) (Stored, error)
	enqueue func(ctx context.Context, c *Client, runID string, args []byte) error
}

// byName finds a kind by its name.
func byName(kind string) (storedKind, error) {
	switch kind {
	case KindImport:
		return stored(Import()), nil
	case KindMap:
		return stored(Map()), nil
	case KindUnmap:
		return stored(Unmap()), nil
	case KindResync:
		return stored(Resync()), nil
	}
	return storedKind{}, fmt.Errorf("%w: kind %q is unknown", ErrArguments, excerpt([]byte(kind), 40))
}

func stored[A Args[A], R any](kind Kind[A, R]) storedKind {
	read := func(raw []byte) (A, error) {
		args, err := decode[A](raw)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrArguments, err)
		}
		return args, err
	}
	return storedKind{
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

// ReadStored reads a request by the name of its kind and the JSON of its
// arguments, strictly; [ErrArguments] says what is wrong with them.
func ReadStored(kind string, args []byte) (Stored, error) {
	k, err := byName(kind)
	if err != nil {
		return Stored{}, err
	}
	return k.read(args)
}

// EnqueueStored is [Enqueue] for a kind by its name, with arguments as the
// ledger keeps them: the JSON of the kind's arguments.
func EnqueueStored(ctx context.Context, c *Client, kind, runID string, args []byte) error {
	k, err := byName(kind)
	if err != nil {
		return err
	}
	return k.enqueue(ctx, c, runID, args)
}
