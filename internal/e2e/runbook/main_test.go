package runbook

import (
	"os"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
)

func TestMain(m *testing.M) { os.Exit(installation.Main(m)) }
