package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"runtime"
	"strings"
)

// machine says what the figures were taken on.
func (r *report) machine(ctx context.Context, s *stage) error {
	var postgres string
	if err := s.admin.QueryRow(ctx, "show server_version").Scan(&postgres); err != nil {
		return err
	}
	redis, err := s.rdb.InfoMap(ctx, "server").Result()
	if err != nil {
		return err
	}
	version, err := s.command(ctx, "", "worker", "--version")
	if err != nil {
		return err
	}
	postgres, _, _ = strings.Cut(postgres, " ") // the rest is the package's
	r.line("Everything on one machine: %d cores (%s), %s/%s, %s, PostgreSQL %s (fsync on), Redis %s (append-only file); halosync %s.",
		runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres, redis["Server"]["redis_version"], strings.TrimPrefix(version, "worker version "))
	return nil
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := bytes.Cut(lines.Bytes(), []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return "unknown"
}
