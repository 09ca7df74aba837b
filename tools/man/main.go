// Man writes the man pages and completion scripts for worker and enqueue into
// a folder. It checks that the pages contain each command, flag and example.
//
//	go run . -version v1.2.3 -date 1780000000 FOLDER
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/cli"
	"github.com/halosync/halosync/internal/worker"
)

func main() {
	version := flag.String("version", "dev", "version that the pages show")
	date := flag.Int64("date", 0, "date of the pages, seconds since 1970")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "man: want one folder")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *version, time.Unix(*date, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

func run(dir, version string, date time.Time) error {
	var all []error
	for _, root := range []*cobra.Command{worker.Command(version), cli.Command(version)} {
		if err := write(root, dir, date); err != nil {
			return err
		}
		for _, what := range missing(root, dir) {
			all = append(all, errors.New(what))
		}
	}
	return errors.Join(all...)
}
