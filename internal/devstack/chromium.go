package devstack

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// Chromium is a running headless browser with a profile of its own, for tests
// of pages.
type Chromium struct {
	*server
	address string
}

// StartChromium starts one. When it returns, the browser takes commands at
// [Chromium.Address]. A [*MissingError] says that none is on the machine.
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
	// env gives the browser a home folder that it may write to.
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

// chromiumFlags keep the browser from calling home, from keeping anything, and
// from slowing down the pages that nobody looks at.
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
	if who != nil { // root, as in a container, where the kernel rarely lets its sandbox be made
		flags = append(flags, "--no-sandbox")
	}
	return append(flags, "about:blank")
}

// announced is the line in which a browser says where it takes commands.
var announced = regexp.MustCompile(`DevTools listening on (ws://\S+)`)

// listening finds that address in the log.
func listening(log string) (string, error) {
	b, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	found := announced.FindSubmatch(b)
	if found == nil {
		return "", errors.New("it has not said where it listens")
	}
	return string(found[1]), nil
}

// chromium returns the path of a browser of that family. Debian's wrapper would
// stand between us and the process, so what it starts comes first.
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

// Address is where it takes commands: a WebSocket URL of the DevTools protocol.
func (c *Chromium) Address() string { return c.address }

// Close stops it and removes its folder.
func (c *Chromium) Close() error { return c.stop() }
