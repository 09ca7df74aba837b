package devstack

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// Chromium is a running headless browser with its own profile, for tests of
// pages.
type Chromium struct {
	*server
	address string
}

// StartChromium starts a browser. When it returns, the browser accepts commands
// at [Chromium.Address]. It returns a [*MissingError] if no browser is
// installed.
func StartChromium(ctx context.Context) (*Chromium, error) {
	binary, err := chromium()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir(who, "halosync-chromium-")
	if err != nil {
		return nil, err
	}
	// /usr/bin/env sets HOME to a folder that the browser may write to.
	args := append([]string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_CACHE_HOME=" + dir, binary}, chromiumFlags(dir, who)...)
	s, err := start("chromium", dir, "TERM", who, "/usr/bin/env", args...)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	c := &Chromium{server: s}
	if err := s.await(ctx, func(context.Context) (err error) {
		c.address, err = listening(s.log)
		return err
	}); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return c, nil
}

// chromiumFlags returns flags that keep the browser from contacting its vendor,
// from storing anything, and from slowing down pages in the background.
func chromiumFlags(dir string, who *account) []string {
	flags := []string{
		"--headless", "--remote-debugging-port=0", "--user-data-dir=" + filepath.Join(dir, "profile"),
		"--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
		"--disable-default-apps", "--disable-extensions", "--disable-sync", "--disable-breakpad", "--metrics-recording-only",
		"--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio", "--password-store=basic", "--use-mock-keychain",
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
		"--force-color-profile=srgb", "--font-render-hinting=none", "--lang=en-US", "--no-proxy-server",
		"--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider",
	}
	if who != nil { // started by root, as in containers, where the sandbox rarely works
		flags = append(flags, "--no-sandbox")
	}
	return append(flags, "about:blank")
}

// announced matches the log line with the address for commands.
var announced = regexp.MustCompile(`DevTools listening on (ws://\S+)`)

// listening finds the address for commands in the log and returns it.
func listening(log string) (string, error) {
	b, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	found := announced.FindSubmatch(b)
	if found == nil {
		return "", errors.New("no DevTools address in the log")
	}
	return string(found[1]), nil
}

// chromium returns the path to Chromium or Chrome. It prefers the program itself
// to Debian's wrapper script, so that signals reach the browser.
func chromium() (string, error) {
	const env = "HALOSYNC_CHROMIUM"
	if path := os.Getenv(env); path != "" {
		if executable(path) {
			return path, nil
		}
		return "", &MissingError{Program: "chromium", Looked: []string{path}}
	}
	for _, path := range []string{
		"/usr/lib/chromium/chromium-headless-shell", "/usr/lib/chromium/chromium",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
	} {
		if executable(path) {
			return path, nil
		}
	}
	for _, name := range []string{"chromium-headless-shell", "chromium", "google-chrome-stable", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Program: "chromium", Looked: []string{"$" + env, "/usr/lib/chromium", "PATH", "/Applications"}}
}

// Address returns the WebSocket URL for commands in the DevTools protocol.
func (c *Chromium) Address() string { return c.address }

// Close stops the browser and removes its folder.
func (c *Chromium) Close() error { return c.stop() }
