package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
)

func (a *app) importCommand() *cobra.Command {
	var req engine.ImportRequest
	var file string
	var ids []string
	var wait bool
	cmd := &cobra.Command{
		Use:   "import --connection C (--all | --search S | --client ID... | --file F)",
		Short: "Import clients of Halo as companies",
		Long: `import requests a run that processes the chosen clients. A client that is already
mapped is refreshed. Any other client is linked to the unmapped company of the
same name, or created as a company. If several unmapped companies have the name,
a person must decide. Inactive clients are skipped unless chosen by id.

The file has one client id per line, or is CSV with the id in the first column.
Blank lines and lines that start with # are ignored.`,
		Example: `  enqueue import --connection "Acme Halo" --all --wait
  enqueue import --connection "Acme Halo" --search bakery --dry-run --wait
  enqueue import --connection "Acme Halo" --client 12,15 --client 20
  enqueue import --connection "Acme Halo" --file ids.txt`,
		Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			var err error
			if req.ClientIDs, err = a.clientIDs(ids, file); err != nil {
				return err
			}
			req.RequestedBy = a.actor()
			return a.with(ctx, needQueue, func(ctx context.Context, p parts) error {
				receipt, err := p.engine.RequestImport(ctx, p.tenant, req)
				if err != nil {
					return err
				}
				return a.requested(ctx, p, receipt, wait)
			})
		}),
	}
	connectionFlag(cmd, &req.Connection)
	cmd.Flags().BoolVar(&req.All, "all", false, "import all clients")
	cmd.Flags().StringVar(&req.Search, "search", "", "import the clients that Halo finds for this text")
	cmd.Flags().StringSliceVar(&ids, "client", nil, "id of a client; repeat it, or separate several ids by commas")
	cmd.Flags().StringVar(&file, "file", "", `file of client ids, "-" for standard input`)
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "show what would happen, write nothing")
	cmd.MarkFlagsOneRequired("all", "search", "client", "file")
	cmd.MarkFlagsMutuallyExclusive("all", "search", "client", "file")
	waitFlag(cmd, &wait)
	return cmd
}

func waitFlag(cmd *cobra.Command, wait *bool) {
	cmd.Flags().BoolVar(wait, "wait", false, "show the progress and wait until the run ends")
}

// requested prints the run that a request started. If wait is set, it first waits until the
// run ends.
func (a *app) requested(ctx context.Context, p parts, receipt engine.Receipt, wait bool) error {
	if receipt.Existing {
		fmt.Fprintf(a.Err, "the same request is already in progress: run %s\n", receipt.RunID)
	}
	a.noteQueue(receipt)
	if wait {
		return a.watch(ctx, p, receipt.RunID)
	}
	run, err := p.engine.Run(ctx, p.tenant, receipt.RunID)
	if err != nil {
		return err
	}
	return a.printRun(run)
}

// noteQueue reports that a request was saved although the queue is unavailable.
func (a *app) noteQueue(receipt engine.Receipt) {
	if receipt.NotQueued != nil {
		fmt.Fprintf(a.Err, "cannot enqueue run %s: %s\nthe run is saved and starts as soon as the queue is available\n",
			receipt.RunID, plaintext.Printable(receipt.NotQueued.Error()))
	}
}

// clientIDs returns the ids from the flags and the file.
func (a *app) clientIDs(flags []string, file string) ([]int64, error) {
	var ids []int64
	for _, s := range flags {
		id, err := clientID(s)
		if err != nil {
			return nil, usagef("--client: %v", err)
		}
		ids = append(ids, id)
	}
	return withFile(a, ids, file, readIDs)
}

// withFile appends the items in a file, if one is given. The name "-" means standard input.
func withFile[T any](a *app, items []T, file string, read func(io.Reader) ([]T, error)) ([]T, error) {
	if file == "" {
		return items, nil
	}
	in := a.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usagef("--file: %v", err)
		}
		defer f.Close()
		in = f
	}
	fromFile, err := read(in)
	if err != nil {
		return nil, usagef("--file %s: %v", file, err)
	}
	return append(items, fromFile...), nil
}

// maxFile is the maximum size of a file of ids or pairs in bytes. It is larger than any
// valid request needs. The limit exists because standard input may never end.
const maxFile = 8 << 20

// readFile reads a file in UTF-8.
func readFile(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxFile:
		return nil, fmt.Errorf("more than %d MiB: split it", maxFile>>20)
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")):
		return nil, errors.New("it is UTF-16: save it as UTF-8")
	}
	return raw, nil
}

// maxFaults is the maximum number of invalid lines that an error lists.
const maxFaults = 10

// readIDs reads one client id per line, or the first column of a CSV file. A first line
// without digits is a heading. The error lists the first [maxFaults] invalid lines and
// counts the remaining ones.
func readIDs(r io.Reader) ([]int64, error) {
	raw, err := readFile(r)
	if err != nil {
		return nil, err
	}
	var ids []int64
	var faults []error
	lines := bufio.NewScanner(bytes.NewReader(raw))
	n, more := 0, 0
	for lines.Scan() {
		n++
		field, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), ",")
		field = strings.Trim(strings.TrimSpace(field), `"`)
		if field == "" || strings.HasPrefix(field, "#") || n == 1 && !strings.ContainsAny(field, "0123456789") {
			continue
		}
		id, err := clientID(field)
		switch {
		case err == nil:
			ids = append(ids, id)
		case len(faults) < maxFaults:
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
		default:
			more++
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if more > 0 {
		faults = append(faults, fmt.Errorf("and %d more invalid lines", more))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(ids) == 0 {
		return nil, errors.New("no client id in it")
	}
	return ids, nil
}

func clientID(s string) (int64, error) {
	id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || id < 1 || id > 1<<53 {
		return 0, fmt.Errorf("%.40q is not a client id: want a whole number from 1", s)
	}
	return id, nil
}
