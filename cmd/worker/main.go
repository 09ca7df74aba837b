// Worker executes halosync's runs: it takes tasks from the queue, reads Halo and writes
// to Postgres. "worker migrate" upgrades the database schema and exits.
package main

import (
	"os"

	"github.com/halosync/halosync/internal/worker"
)

var version = "" // set by the linker

func main() { os.Exit(worker.Main(version)) }
