package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/repo"
)

// If two editors change the same version, the second change is refused. This holds for
// every kind of change.
func TestEditorsDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.do("GET", "/connections/halo", nil).want(200).header.Get("ETag")
	renamed := w.do("PATCH", "/connections/halo", map[string]any{"name": "renamed"}, "If-Match", old).want(200)
	now := renamed.header.Get("ETag")
	if now == old || now == "" {
		t.Fatalf("etag %q, was %q", now, old)
	}
	for _, edit := range []struct {
		method, path string
		body         any
	}{
		{"PATCH", "", map[string]any{"name": "stolen"}},
		{"POST", "/pause", nil}, {"POST", "/resume", nil},
		{"PUT", "/schedule", map[string]any{"schedule": "@daily"}}, {"DELETE", "/schedule", nil},
		{"DELETE", "?confirm=true", nil},
	} {
		for _, stale := range []string{old, "W/" + old, `"x"`, `""`, `"`, ",", now[:len(now)-1], `"*"x`, `"` + now, strings.Trim(now, `"`) + "-x"} {
			w.do(edit.method, "/connections/renamed"+edit.path, edit.body, "If-Match", stale).want(http.StatusPreconditionFailed)
		}
	}
	if got := w.do("GET", "/connections/renamed", nil).want(200); got.header.Get("ETag") != now || got.text("state") != "active" {
		t.Errorf("a change with a stale version was saved: %s", got.body)
	}
	paused := w.do("POST", "/connections/renamed/pause", nil, "If-Match", `"x", `+now).want(200)
	same := w.do("POST", "/connections/renamed/pause", nil, "If-Match", paused.header.Get("ETag")).want(200)
	if same.header.Get("ETag") != paused.header.Get("ETag") {
		t.Error("the etag changed although the connection did not")
	}
	w.do("POST", "/connections/renamed/resume", nil, "If-Match", "*").want(200)
	w.do("PUT", "/connections/renamed/schedule", map[string]any{"schedule": "CRON_TZ=Europe/Berlin 30 4 * * *"}).want(200)
	preview := w.do("GET", "/connections/renamed/removal", nil).want(200)
	last := w.do("GET", "/connections/renamed", nil).header.Get("ETag")
	if got := w.do("DELETE", "/connections/renamed?confirm=true", nil, "If-Match", last).want(200); got.body != preview.body {
		t.Errorf("removed %s, previewed %s", got.body, preview.body)
	}
	w.do("GET", "/connections/renamed", nil).want(404)
}

// Compressing proxies change the tag, and clients send several tags in one or more
// headers. All forms identify the same version.
func TestSpellingsOfTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tag := strings.Trim(w.do("POST", "/connections/halo/pause", nil).want(200).header.Get("ETag"), `"`) // pausing it again changes nothing
	for _, given := range []string{
		`"` + tag + `"`, `W/"` + tag + `"`, `w/"` + tag + `"`, tag, ` "` + tag + `" `,
		`"` + tag + `-gzip"`, `"` + tag + `--gzip"`, `"` + tag + `;gzip"`, `W/"` + tag + `-br"`, `"` + tag + `-zstd"`, `"` + tag + `-GZIP"`, `"` + tag + `"-gzip`, `"` + tag + `";gzip`,
		`"x", W/"` + tag + `"`, `"a,b","` + tag + `-gzip"`, `"x",, "` + tag + `"`, `"` + tag + `", "x"`, "*", ` * `, `"x", *`,
	} {
		if got := w.do("POST", "/connections/halo/pause", nil, "If-Match", given); got.status != 200 {
			t.Errorf("If-Match: %s: status %d", given, got.status)
		}
	}
	r := w.request("POST", "/connections/halo/pause", nil)
	r.Header["If-Match"] = []string{`"x"`, `W/"` + tag + `"`}
	w.as(w.actor, r).want(200)
	r.Header["If-Match"] = []string{`"x"`, `"y"`}
	w.as(w.actor, r).want(http.StatusPreconditionFailed)
}

// FuzzIfMatch checks that the condition never holds for a list without the version or
// *, and always holds once the version is added to the list.
func FuzzIfMatch(f *testing.F) {
	for _, s := range []string{`"x"`, `W/"x-gzip"`, `"a,b"`, "*", `"`, ",,", `""`, "x;y"} {
		f.Add(s)
	}
	conn := repo.Connection{UpdatedAt: time.UnixMicro(1_780_000_000_000_000)}
	f.Fuzz(func(t *testing.T, list string) {
		_, ok := Condition{list}.met(conn)
		if ok && strings.TrimSpace(list) != "" && !strings.Contains(list, "*") && !strings.Contains(list, version(conn)) {
			t.Errorf("%q is met", list)
		}
		if seen, ok := (Condition{etag(conn) + "," + list}).met(conn); !ok || !seen.Equal(conn.UpdatedAt) {
			t.Errorf("%q with the version is not met", list)
		}
	})
}

// The version is checked in the transaction of the change, so a change made between
// reading and writing is not overwritten.
func TestEditorInBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tag := w.do("GET", "/connections/halo", nil).header.Get("ETag")
	between := w.between(func() { w.do("POST", "/connections/halo/pause", nil).want(200) }) // while the credentials are tested
	w.do("PATCH", "/connections/halo", map[string]any{"rate_limit": "100/1m"}, "If-Match", tag).want(http.StatusPreconditionFailed)
	if !*between {
		t.Fatal("no change was made in between")
	}
	if got := w.do("GET", "/connections/halo", nil); got.text("rate_limit") != "" || got.text("state") != "paused" {
		t.Errorf("overwritten: %s", got.body)
	}
	// Reconnecting with a condition needs two writes by the same editor.
	if err := w.store.SetConnectionState(t.Context(), "acme", "test", w.conn.ID, "needs_reconnect", "broken"); err != nil {
		t.Fatal(err)
	}
	tag = w.do("GET", "/connections/halo", nil).header.Get("ETag")
	got := w.do("PATCH", "/connections/halo", map[string]any{"client_secret": testSecret}, "If-Match", tag).want(200)
	if conn := got.field("connection").(map[string]any); conn["state"] != "active" {
		t.Errorf("reconnected: %s", got.body)
	}
}
