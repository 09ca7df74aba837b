package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo/repotest"
)

func TestSameRequestAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := map[string]any{"name": "Bakery Brown"}
	first := w.do("POST", "/companies", body, keyHeader, "k-1").want(201)
	again := w.do("POST", "/companies", body, keyHeader, "k-1").want(201)
	if again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Content-Type") != "application/json" {
		t.Errorf("again: %s %v, want %s", again.body, again.header, first.body)
	}
	w.do("POST", "/companies", map[string]any{"name": "Another"}, keyHeader, "k-1").want(422)
	w.do("POST", "/connections/halo/pause", nil, keyHeader, "k-1").want(422)
	w.do("POST", "/companies", body, keyHeader, "k-2").want(201)
	if n := len(w.do("GET", "/companies", nil).items()); n != 2 {
		t.Errorf("%d companies, want 2", n)
	}
	// Each tenant has its own keys. A caller with a smaller scope does not get the response.
	eve := access.Principal{Tenant: "globex", Actor: "key:eve", Scope: access.Write}
	if got := w.as(eve, w.request("POST", "/companies", body, keyHeader, "k-1")).want(201); got.text("tenant") != "globex" {
		t.Errorf("globex got %s", got.body)
	}
	reader := access.Principal{Tenant: "acme", Actor: "key:reader", Scope: access.Read}
	w.as(reader, w.request("POST", "/companies", body, keyHeader, "k-1")).want(403)
	// A key expires after a day.
	repotest.Exec(t, w.url, `update halosync.answers set claimed_at = claimed_at - interval '25 hours'`)
	if got := w.do("POST", "/companies", body, keyHeader, "k-1").want(201); got.body == first.body {
		t.Error("the answer was kept after its key expired")
	}
	for _, key := range []string{"", " ", "a b", "ü", strings.Repeat("x", 201)} {
		w.do("POST", "/companies", body, keyHeader, key).want(422)
	}
}

// A refused request changes nothing and can be repeated under the same key.
func TestRefusedRequestAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := map[string]any{"name": "second", "domain": w.sim.ResourceServer(), "auth_server": w.sim.AuthServer(), "client_id": "app-2", "client_secret": testSecret}
	w.do("POST", "/connections", body, keyHeader, "k-1").want(422)
	w.sim.Tenant("").App("app-2", testSecret)
	made := w.do("POST", "/connections", body, keyHeader, "k-1").want(201)
	again := w.do("POST", "/connections", body, keyHeader, "k-1").want(201)
	if again.body != made.body || again.header.Get("ETag") != made.header.Get("ETag") || again.header.Get("Location") == "" {
		t.Errorf("again: %v %s", again.header, again.body)
	}
	// A request with a different secret is a different request. The stored fingerprint does
	// not reveal the secret: it is encrypted, and it differs even between identical
	// requests.
	body["client_secret"] = "another"
	w.do("POST", "/connections", body, keyHeader, "k-1").want(422)
	kept := repotest.Value[string](t, w.url, `select encode(print, 'escape') || body::text || header::text || key from halosync.answers`)
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := w.request("POST", "/connections", string(raw))
	if strings.Contains(kept, testSecret) || strings.Contains(kept, printOf(r)) {
		t.Errorf("kept: %s", kept)
	}
}

// Of several concurrent requests with the same key, exactly one is executed.
func TestSameRequestTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got := w.do("POST", "/companies", map[string]any{"name": "Bakery Brown"}, keyHeader, "k-1")
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
			if got.status == http.StatusConflict && got.header.Get("Retry-After") == "" {
				t.Error("409 without Retry-After")
			}
		})
	}
	wg.Wait()
	if n := len(w.do("GET", "/companies", nil).items()); n != 1 || statuses[201] == 0 || statuses[201]+statuses[409] != 8 {
		t.Errorf("%d companies; statuses %v", n, statuses)
	}
}

// The claim of a crashed request expires after five minutes.
func TestAbandonedRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := map[string]any{"name": "Bakery Brown"}
	r := w.request("POST", "/companies", body)
	if _, err := w.store.ClaimRequest(t.Context(), "acme", "k-1", printOf(r)); err != nil {
		t.Fatal(err)
	}
	w.do("POST", "/companies", body, keyHeader, "k-1").want(409)
	repotest.Exec(t, w.url, `update halosync.answers set claimed_at = claimed_at - interval '6 minutes'`)
	w.do("POST", "/companies", body, keyHeader, "k-1").want(201)
	// A handler that panics does not block its key.
	engine := w.engine
	w.engine = nil
	w.do("POST", "/companies", body, keyHeader, "k-2").want(500)
	w.engine = engine
	w.do("POST", "/companies", body, keyHeader, "k-2").want(201)
}
