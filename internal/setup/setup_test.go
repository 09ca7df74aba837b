package setup

import (
	"errors"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/config"
)

// Read reports all faults at once, including those found by the parsers of the values.
func TestReadReportsAllFaults(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"HALOSYNC_CONCURRENCY": "none", "HALOSYNC_ALLOW_HOSTS": "10.0.0.0/99", "HALOSYNC_CA_FILE": t.TempDir() + "/none.pem",
		config.Keyset: "hsk1:hunter2", config.RedisURL: "redis://:hunter2@host:port",
	}
	_, err := Read(func(name string) string { return env[name] }, config.DatabaseURL)
	var faults *config.FaultsError
	if !errors.As(err, &faults) || len(faults.Faults) != len(env)+1 {
		t.Fatalf("want %d faults: %v", len(env)+1, err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error contains a secret: %v", err)
	}
	for name := range env {
		if !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s is missing in %v", name, err)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if v := Version("v1.2.3"); v != "v1.2.3" {
		t.Errorf("the linker's version became %q", v)
	}
	if v := Version(""); v == "" {
		t.Error("no version without the linker's value")
	}
}
