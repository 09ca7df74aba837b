package chaos

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/tasks"
)

// kit holds the folder with the built programs. All episodes share this folder.
var kit struct{ bin string }

func TestMain(m *testing.M) {
	tasks.LogRedis(zap.NewNop().Sugar()) // go-redis logs every fault at length
	var err error
	if kit.bin, err = devstack.Programs(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
