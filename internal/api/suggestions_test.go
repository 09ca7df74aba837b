package api

import (
	"net/http"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
)

// Suggestions are requested, executed by a worker, and read at once, also while Halo fails.
// Mapped and dismissed pairs vanish from the list.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	side := w.sim.Tenant("")
	for id, name := range map[int64]string{9001: "Kestrel Brewing Ltd", 9002: "Osprey Outfitters"} {
		side.Add(halotest.Client{ID: id, Name: name})
		w.do("POST", "/companies", map[string]any{"name": name}).want(http.StatusCreated)
	}
	list := func() reply { return w.do("GET", "/connections/halo/suggestions?min=0.9", nil).want(http.StatusOK) }
	if got := list(); len(got.items()) != 0 || got.field("computed_at") != nil || got.field("run_id") != nil || got.text("total") != "0" {
		t.Errorf("never computed: %s", got.body)
	}
	asked := w.do("POST", "/connections/halo/suggestions", nil).want(http.StatusAccepted)
	if got := w.do("POST", "/connections/"+w.conn.ID.String()+"/suggestions", nil).want(http.StatusAccepted); got.field("existing") != true || got.text("run_id") != asked.text("run_id") {
		t.Errorf("asked again: %s", got.body)
	}
	if got := asked.header.Get("Location"); got != Prefix+"/runs/"+asked.text("run_id") {
		t.Errorf("location %s", got)
	}
	if err := w.perform(asked.text("run_id")); err != nil {
		t.Fatal(err)
	}
	if got := w.do("GET", "/runs/"+asked.text("run_id"), nil).want(http.StatusOK); got.text("kind") != "suggest" || got.text("state") != "succeeded" {
		t.Errorf("the run: %s", got.body)
	}
	w.sim.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Status(502, "bad gateway"))
	got := list()
	if len(got.items()) != 2 || got.text("total") != "2" || got.field("computed_at") == nil || got.text("run_id") != asked.text("run_id") {
		t.Errorf("computed: %s", got.body)
	}
	pair := got.items()[0].(map[string]any)
	w.do("POST", "/connections/halo/dismissals", map[string]any{"pairs": []any{map[string]any{"company": pair["company_id"], "client_id": pair["client_id"]}}}).want(http.StatusOK)
	if got := list(); len(got.items()) != 1 || got.items()[0].(map[string]any)["client_id"] == pair["client_id"] {
		t.Errorf("after a dismissal: %s", got.body)
	}
	w.sim.ClearFaults()
	left := list().items()[0].(map[string]any)
	mapping := map[string]any{"connection": "halo", "suggested": true, "pairs": []any{map[string]any{"company": left["company_id"], "client_id": left["client_id"]}}}
	if err := w.perform(w.do("POST", "/mappings", mapping).want(http.StatusAccepted).text("run_id")); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got.items()) != 0 || got.text("run_id") != asked.text("run_id") {
		t.Errorf("after mapping: %s", got.body)
	}
	w.do("POST", "/connections/nope/suggestions", nil).want(http.StatusNotFound)
	w.do("POST", "/connections/halo/pause", nil)
	w.do("POST", "/connections/halo/suggestions", nil).want(http.StatusConflict)
	list() // a paused connection still has its list
}
