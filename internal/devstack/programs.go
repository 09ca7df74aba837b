package devstack

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
)

// BuildPrograms builds worker and enqueue into a folder, with the race
// detector, as the tests that run them are built.
func BuildPrograms(dir string) error {
	for _, name := range []string{"worker", "enqueue"} {
		out, err := exec.Command("go", "build", "-race", "-o", filepath.Join(dir, name), //nolint:noctx // go test's own timeout ends it
			"github.com/halosync/halosync/cmd/"+name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// Output is what processes have written, read while they write.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write takes more of it.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String is all of it so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
