package journeys

import (
	"fmt"
	"os"
	"testing"

	"github.com/halosync/halosync/internal/browsertest"
	"github.com/halosync/halosync/internal/e2e/installation"
)

// browser is shared by all tests that need one.
var browser browsertest.Shared

func TestMain(m *testing.M) {
	code := installation.Main(m)
	if err := browser.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}
