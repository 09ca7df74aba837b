// Enqueue is the command line interface of halosync for connections, companies, imports
// and their runs. "enqueue --help" lists the commands.
package main

import (
	"os"

	"github.com/halosync/halosync/internal/cli"
)

var version = "" // set by the linker

func main() { os.Exit(cli.Main(version)) }
