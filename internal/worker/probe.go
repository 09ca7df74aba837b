package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/config"
)

// probeTimeout is longer than the time that /readyz allows Postgres and Redis.
const probeTimeout = 5 * time.Second

// probeCommand returns the command that checks the worker on the same machine. It is the
// health check for a container whose image has neither a shell nor curl.
func (p *program) probeCommand() *cobra.Command {
	page := "/readyz"
	var alive bool
	cmd := &cobra.Command{
		Use: "probe", Short: "Check whether the worker on this machine is ready", Args: cobra.NoArgs,
		Long: `probe requests /readyz from the worker that listens at HALOSYNC_METRICS_ADDR or, if
that is not set, at HALOSYNC_HTTP_ADDR (or PORT), prints the answer, and exits with 0 if
the worker is ready and 1 if it is not. Only the first address gives reasons.`,
		Example: "  worker probe\n  worker probe --live",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.started = true
			cfg, err := config.Load(p.getenv)
			if err != nil {
				return err
			}
			if alive {
				page = "/livez"
			}
			addr, err := probed(cfg)
			if err != nil {
				return err
			}
			return probe(cmd.Context(), addr, page, p.out)
		},
	}
	cmd.Flags().BoolVar(&alive, "live", false, "request /livez instead, to check only whether the process responds")
	return cmd
}

// probed returns the address of the listener to request. The default address of the
// metrics is the last choice, because another worker on this machine may be using it.
func probed(cfg config.Config) (string, error) {
	switch {
	case cfg.MetricsAddr != "" && cfg.MetricsAddr != "off":
		return cfg.MetricsAddr, nil
	case cfg.HTTPAddr != "off":
		return cfg.HTTPAddr, nil
	case cfg.MetricsAddr == "":
		return config.DefaultMetricsAddr, nil
	}
	return "", &config.FaultsError{Faults: []string{"HALOSYNC_HTTP_ADDR and HALOSYNC_METRICS_ADDR are off: the worker serves no HTTP"}}
}

// probe requests a page from the worker that listens at addr.
func probe(ctx context.Context, addr, page string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(addr)+page, nil)
	if err != nil {
		return err
	}
	// The zero transport uses no proxy, because the worker is on this machine.
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return fmt.Errorf("no worker answers at %s: %w", addr, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(body)))
	}
	_, err = out.Write(body)
	return err
}

// reachable returns the address for connecting to a listener. If the listener uses all
// interfaces, it returns the loopback address.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
