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

	"github.com/halosync/halosync/internal/access"
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
		Use: "doctor", Short: "Check the environment, Postgres, Redis, keys, clock and each connection", Args: cobra.NoArgs,
		Long: `doctor checks everything that a worker needs, and says what to do about each fault. It
changes nothing. Run it on the machine and with the environment of the worker.
Exit codes: 0 no faults (there may be warnings), 1 faults, 2 invalid environment.`,
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
				return errors.New("doctor: " + plaintext.Plural(report.Faults, "fault", "faults"))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	cmd.Flags().IntVar(&connections, "connections", 100, "maximum number of active connections to test; each test makes two requests")
	return cmd
}

// examine opens the same components as a worker and returns its findings. It returns an
// error if the environment is invalid.
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
	report.Add(doctor.Finding{Area: "environment", Status: doctor.OK, What: "all variables are valid"})
	if set.SharedFiles() {
		report.Add(doctor.Finding{Area: "environment", Status: doctor.OK, What: "all users may read the files with secrets, because HALOSYNC_SECRET_FILES is shared"})
	}
	if set.Proxy != nil {
		report.Add(doctor.Finding{Area: "environment", Status: doctor.OK, What: "calls to Halo use the proxy " + set.Proxy.String()})
	}
	if len(set.IgnoredProxies) > 0 {
		report.Add(doctor.Finding{
			Area: "environment", Status: doctor.Warning, What: strings.Join(set.IgnoredProxies, ", ") + " set a proxy, but calls to Halo ignore it",
			Do: "if Halo can only be reached through it, set HALOSYNC_PROXY",
		})
	}
	if (access.Site{PublicURL: set.public}).LacksPublicURL(set.HTTPAddr) {
		report.Add(doctor.Finding{
			Area: "environment", Status: doctor.Warning,
			What: "other machines can reach the console and the API at " + set.HTTPAddr + ", but HALOSYNC_PUBLIC_URL is not set: people cannot sign in from there, and keys sent over plain http are readable on the way",
			Do:   "set HALOSYNC_PUBLIC_URL to the https address at which browsers open the console, or HALOSYNC_HTTP_ADDR to a loopback address; docs/operating.md, Behind a proxy, describes how",
		})
	}

	tasks.LogRedis(zap.NewNop().Sugar()) // the findings report Redis errors
	server, err := tasks.NewServer(tasks.ServerConfig{Redis: set.Redis})
	if err != nil {
		return report, err
	}
	for _, f := range doctor.Examine(ctx, doctor.Config{Store: opened.Store, Queue: server, Engine: opened.Engine, Connections: connections}).Findings {
		report.Add(f)
	}
	return report, shutdown(ctx, server)
}

// printReport writes a report as a JSON document, or as one line per finding followed
// by the advice.
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

// line returns text as one line without control characters. The text may quote a
// server's response.
func line(text string) string {
	return plaintext.Printable(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
}
