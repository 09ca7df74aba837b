package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/doctor"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/tasks"
)

func (p *program) doctorCommand() *cobra.Command {
	var output string
	var connections int
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check environment, Postgres, Redis, keys, clock and each connection's Halo, and say what to do", Args: cobra.NoArgs,
		Long: `doctor looks at everything that a worker needs, changes nothing, and says of each
fault what to do. Run it with the worker's environment, where the worker runs.
Exit code 0: no faults (there may be warnings), 1: faults, 2: the environment is wrong.`,
		Example: "  worker doctor\n  worker doctor -o json --connections 1000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("-o %s: want table or json", output)
			}
			if connections < 0 {
				return fmt.Errorf("--connections %d: want 0 or more", connections)
			}
			p.started = true
			report, err := p.examine(cmd.Context(), connections)
			if perr := printReport(p.out, output, report); perr != nil {
				return perr
			}
			if err == nil && report.Faults > 0 {
				return fmt.Errorf("doctor: %d faults", report.Faults)
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	cmd.Flags().IntVar(&connections, "connections", 100, "test the Halo of so many active connections at most, two requests each")
	return cmd
}

// examine builds what is to be looked at, as a worker would. The error says
// that the environment is wrong.
func (p *program) examine(ctx context.Context, connections int) (report doctor.Report, err error) {
	set, err := readSettings(p.getenv)
	var opened *setup.Parts
	if err == nil {
		opened, err = setup.Open(ctx, set.Settings, setup.Options{Version: p.version})
	}
	if faults := (*config.FaultsError)(nil); errors.As(err, &faults) {
		for _, f := range faults.Faults {
			report.Add(doctor.Finding{Area: "environment", Status: doctor.Fault, What: f, Do: "the README lists the variables, with an example for each"})
		}
	}
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	report.Add(doctor.Finding{Area: "environment", Status: doctor.OK, What: "all variables can be used"})

	tasks.LogRedis(zap.NewNop().Sugar()) // what it has to tell is in the findings
	server, err := tasks.NewServer(tasks.ServerConfig{Redis: set.Redis})
	if err != nil {
		return report, err
	}
	for _, f := range doctor.Examine(ctx, doctor.Config{Store: opened.Store, Queue: server, Engine: opened.Engine, Connections: connections}).Findings {
		report.Add(f)
	}
	return report, shutdown(ctx, server)
}

// printReport writes a report as one JSON document, or as lines with what to do
// below each that wants something done.
func printReport(out io.Writer, format string, report doctor.Report) error {
	if format == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range report.Findings {
		status, what := f.Status, f.What
		if status == doctor.Fault {
			status = "FAULT"
		}
		if f.Subject != "" {
			what = f.Subject + ": " + what
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", status, f.Area, line(what))
		if f.Do != "" {
			fmt.Fprintf(table, "\t\t→ %s\n", line(f.Do))
		}
	}
	return table.Flush()
}

// line makes one harmless line of a text that holds what others have said.
func line(text string) string {
	return plaintext.Printable(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
}
