package setup

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/config"
)

// Read reports all faults at once, including those found by the parsers of the values.
func TestReadReportsAllFaults(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"HALOSYNC_CONCURRENCY": "none", "HALOSYNC_ALLOW_HOSTS": "10.0.0.0/99", "HALOSYNC_CA_FILE": t.TempDir() + "/none.pem",
		config.Keyset: "hsk1:hunter2", config.RedisURL: "redis://:hunter2@host:port", "HALOSYNC_PROXY": "socks5://u:hunter2@proxy:1080",
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

// Proxies named by other variables are ignored. HALOSYNC_PROXY needs no such note.
func TestIgnoredProxies(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		env := map[string]string{name: "http://u:hunter2@other:3128"}
		set, err := Read(func(name string) string { return env[name] })
		if err != nil || set.Proxy != nil || len(set.IgnoredProxies) != 1 || set.IgnoredProxies[0] != name {
			t.Errorf("%s: proxy %v, ignored %v, %v", name, set.Proxy, set.IgnoredProxies, err)
		}
		env["HALOSYNC_PROXY"] = "http://u:hunter2@proxy:3128"
		set, err = Read(func(name string) string { return env[name] })
		if err != nil || set.Proxy == nil || len(set.IgnoredProxies) != 0 {
			t.Errorf("%s with HALOSYNC_PROXY: proxy %v, ignored %v, %v", name, set.Proxy, set.IgnoredProxies, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", set, set, set); strings.Contains(text, "hunter2") {
			t.Errorf("a secret was printed: %s", text)
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
