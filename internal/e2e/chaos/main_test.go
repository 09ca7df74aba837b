package chaos

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/tasks"
)

// kit is what all episodes share: the built programs.
var kit struct{ bin string }

func TestMain(m *testing.M) {
	tasks.LogRedis(zap.NewNop().Sugar()) // which tells of every fault at length
	code := 1
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := os.RemoveAll(kit.bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build makes both programs, with the race detector: what the faults stir up
// is looked at by it, too.
func build() (err error) {
	if kit.bin, err = os.MkdirTemp("", "halosync-chaos-"); err != nil {
		return err
	}
	return devstack.BuildPrograms(kit.bin)
}
