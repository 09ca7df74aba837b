// Worker executes halosync's runs: it takes tasks from the queue, reads Halo
// and writes Postgres. "worker migrate" brings the schema up and ends.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, streams{os.Stdout, os.Stderr}))
}
