package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The MSP's own HTTP header can be set, changed and removed. No answer contains its
// value.
func TestConnectionHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const value = "canary-gate-k3y"
	body := func(more ...string) map[string]any {
		b := map[string]any{
			"name": "second", "domain": w.sim.ResourceServer(), "auth_server": w.sim.AuthServer(), "client_id": testApp, "client_secret": testSecret,
			"header_name": "X-Gateway-Key", "header_value": value,
		}
		for i := 0; i+1 < len(more); i += 2 {
			b[more[i]] = more[i+1]
		}
		return b
	}
	hidden := func(r reply) reply {
		t.Helper()
		if strings.Contains(r.body, value) || strings.Contains(r.body, "k3y") {
			t.Errorf("the answer shows the value: %s", r.body)
		}
		return r
	}
	for name, why := range map[string]string{
		"Host": "is Host", "transfer-encoding": "is Transfer-Encoding", "X-Key: canary": "a colon", "X\r\nY": "letters, digits", "": "name is missing",
	} {
		if got := hidden(w.do("POST", "/connections", body("header_name", name)).want(http.StatusUnprocessableEntity)); !strings.Contains(got.body, why) {
			t.Errorf("%q: %s", name, got.body)
		}
	}
	if got := hidden(w.do("POST", "/connections", body("header_value", value+"\r\nHost: x")).want(http.StatusUnprocessableEntity)); !strings.Contains(got.body, "a line break") {
		t.Errorf("line break: %s", got.body)
	}
	if got := hidden(w.do("POST", "/connections", body()).want(http.StatusCreated)); got.text("header_name") != "X-Gateway-Key" {
		t.Errorf("added: %s", got.body)
	}
	if got := hidden(w.do("GET", "/connections/second", nil).want(http.StatusOK)); got.text("header_name") != "X-Gateway-Key" {
		t.Errorf("shown: %s", got.body)
	}
	if got := w.do("GET", "/connections/halo", nil).want(http.StatusOK); got.text("header_name") != "" {
		t.Errorf("without a header: %s", got.body)
	}
	hidden(w.do("PATCH", "/connections/second", map[string]any{"header_name": "X-Other"}).want(http.StatusUnprocessableEntity))
	changed := hidden(w.do("PATCH", "/connections/second", map[string]any{"header_name": "X-Other", "header_value": value}).want(http.StatusOK))
	if conn := changed.field("connection").(map[string]any); conn["header_name"] != "X-Other" {
		t.Errorf("changed: %s", changed.body)
	}
	hidden(w.do("PATCH", "/connections/second", map[string]any{"rate_limit": "300/5m"}).want(http.StatusOK))
	removed := w.do("PATCH", "/connections/second", map[string]any{"header_name": ""}).want(http.StatusOK)
	if conn := removed.field("connection").(map[string]any); conn["header_name"] != "" {
		t.Errorf("removed: %s", removed.body)
	}
	hidden(w.do("GET", "/events", nil).want(http.StatusOK))
	for _, entry := range w.log.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, value) {
			t.Errorf("log: %s", text)
		}
	}
}
