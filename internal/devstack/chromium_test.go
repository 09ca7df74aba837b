package devstack

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A browser accepts commands. After Close it leaves neither processes nor files
// behind.
func TestChromiumAnswersAndGoes(t *testing.T) {
	t.Parallel()
	browser, err := StartChromium(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(browser.Address())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + at.Host + "/json/version")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("version: %s", resp.Status)
	}
	dir := browser.dir
	if err := browser.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	// The browser's helper processes end shortly afterwards.
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		left := processesWith(t, dir)
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("processes left: %q", left)
		}
	}
}

// processesWith returns the command lines that contain a string. Outside Linux
// it returns none.
func processesWith(t *testing.T, text string) (found []string) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), text) {
			found = append(found, string(line))
		}
	}
	return found
}

// If the configured path is not a browser, the error says so and tells how to
// install a browser.
func TestChromiumIsMissing(t *testing.T) {
	t.Setenv("HALOSYNC_CHROMIUM", "/nowhere/chromium")
	_, err := StartChromium(t.Context())
	var missing *MissingError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "/nowhere/chromium") || !strings.Contains(err.Error(), "chromium") {
		t.Errorf("%v", err)
	}
}
