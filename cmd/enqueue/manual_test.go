package main

import (
	"bytes"
	"flag"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/manual"
)

var (
	manualDir  = flag.String("manual", "", "keep the man pages and completions in this folder")
	manualDate = flag.Int64("manual-date", 0, "date of the man pages, seconds since 1970")
)

// Every command has a man page, with all that it takes; "make release" keeps
// the pages.
func TestManual(t *testing.T) {
	t.Parallel()
	dir := *manualDir
	if dir == "" {
		dir = t.TempDir()
	}
	var out bytes.Buffer
	root := (&app{streams: streams{Out: &out, Err: &out}, getenv: func(string) string { return "" }}).root()
	if err := manual.Write(root, dir, time.Unix(*manualDate, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	for _, what := range manual.Missing(root, dir) {
		t.Error(what)
	}
}
