package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/tabular"
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

The file has one client id per line, or is CSV with a heading and the id in the
column client_id or id. The output of "clients", "companies list" and "mappings"
with -o csv works as it is. Cells are separated by commas, semicolons or tabs.
Comments, which start with #, and lines without an id are passed over and counted.`,
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
				if err := a.checkFile(ctx, p, req.Connection); err != nil {
					return err
				}
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
	cmd.Flags().StringVar(&req.Search, "search", "", "import the clients that Halo's search returns for this text")
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
	a.noteReceipt(receipt)
	if wait {
		return a.watch(ctx, p, receipt.RunID)
	}
	run, err := p.engine.Run(ctx, p.tenant, receipt.RunID)
	if err != nil {
		return err
	}
	return a.printRun(run)
}

// noteReceipt reports that the same request is already in progress, or that the queue is
// unavailable.
func (a *app) noteReceipt(receipt engine.Receipt) {
	if receipt.Existing {
		fmt.Fprintf(a.Err, "the same request is already in progress: run %s\n", receipt.RunID)
	}
	a.noteQueue(receipt)
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
		id, err := tabular.ParseID(s)
		if err != nil {
			return nil, usagef("--client: %v", err)
		}
		ids = append(ids, id)
	}
	return withFile(a, ids, file, tabular.ReadIDs)
}

// fileInput describes the file that a command has read.
type fileInput struct {
	passedOver int    // lines without an id or a pair
	connection string // the connection for which the file was written; empty if the file does not name one
}

// withFile appends the items in a file, if one is given. The name "-" means standard input.
// It reports the lines that were skipped.
func withFile[T any](a *app, items []T, file string, read func(io.Reader) (tabular.List[T], error)) ([]T, error) {
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
	list, err := read(in)
	if err != nil {
		return nil, usagef("--file %s: %v", file, err)
	}
	a.file = fileInput{passedOver: len(list.PassedOver), connection: list.Connection}
	if len(list.PassedOver) > 0 {
		fmt.Fprintf(a.Err, "%s: %d used, %v\n", plaintext.Printable(file), len(list.Items), list.PassedOver)
	}
	return append(items, list.Items...), nil
}

// checkFile returns an error if the file that the command has read is the output for
// another connection, where the ids belong to other clients.
func (a *app) checkFile(ctx context.Context, p parts, connection string) error {
	if a.file.connection == "" {
		return nil
	}
	conn, err := p.engine.FindConnection(ctx, p.tenant, connection)
	if err == nil && conn.Name != a.file.connection {
		err = usagef("the column \"connection\" of the file says %q, not %q: its ids may belong to other clients", a.file.connection, conn.Name)
	}
	return err
}
