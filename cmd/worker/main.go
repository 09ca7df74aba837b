// Worker executes halosync's runs: it takes tasks from the queue, reads Halo
// and writes Postgres. "worker migrate" brings the schema up and ends.
package main

import (
	"os"

	"github.com/halosync/halosync/internal/worker"
)

var version = "" // set by the linker

func main() { os.Exit(worker.Main(version)) }
