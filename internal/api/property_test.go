package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"pgregory.net/rapid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// rounds is the number of times that each operation is called.
const rounds = 12

// TestEveryOperation calls every operation with valid requests and with requests that are
// invalid in one way, while Halo works or fails. Every response must match the document,
// and none may report an internal error.
func TestEveryOperation(t *testing.T) {
	limitRounds(t)
	t.Parallel()
	w := newWorld(t)
	d := &driver{world: w, judge: w.judge(), run: w.imported(3), driven: map[string]map[int]int{}}
	var doc struct {
		Paths      map[string]map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(w.do("GET", "/openapi.json", nil).body), &doc); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		d.ready(rt)
		for _, o := range w.operations() {
			g := &generator{t: rt, schemas: doc.Components.Schemas, pools: d.pools(), wrong: rapid.SampledFrom(ways).Draw(rt, "way")}
			r, path := g.request(w, o, doc.Paths[o.path][strings.ToLower(o.method)])
			d.drive(rt, o, r, path)
		}
	})
	succeeded := 0
	for _, o := range w.operations() {
		if len(d.driven[o.id]) == 0 {
			t.Errorf("operation %s was never called", o.id)
		}
		for status := range d.driven[o.id] {
			if status < 300 {
				succeeded++
				break
			}
		}
		t.Logf("%-20s %v", o.id, d.driven[o.id])
	}
	if succeeded < len(w.operations())/2 {
		t.Errorf("only %d of %d operations ever succeeded", succeeded, len(w.operations()))
	}
}

// limitRounds keeps the test short unless the number of rounds is configured.
func limitRounds(t *testing.T) {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", fmt.Sprint(rounds)); err != nil {
			t.Fatal(err)
		}
	}
}

// driver sends requests and validates the responses.
type driver struct {
	*world
	judge  judge
	run    string
	driven map[string]map[int]int // number of responses by operation and status
}

// ready prepares a round: an active connection, and a Halo that works or fails.
func (d *driver) ready(t *rapid.T) {
	d.sim.ClearFaults()
	conn, err := d.store.Connection(t.Context(), "acme", d.conn.ID)
	removed := errors.Is(err, repo.ErrNotFound) // the previous round removed the connection with its runs
	if removed {
		conn, err = d.engine.AddConnection(t.Context(), "acme", "test", engine.ConnectionInput{
			Name: fmt.Sprint("halo ", time.Now().UnixNano()), Domain: d.sim.ResourceServer(), AuthServer: d.sim.AuthServer(),
			ClientID: testApp, Secret: secret.NewString(testSecret),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	d.conn = conn
	if err := d.store.SetConnectionState(t.Context(), "acme", "test", conn.ID, repo.Active, ""); err != nil {
		t.Fatal(err)
	}
	if removed {
		d.run = d.imported(3)
	}
	always := halotest.Rule{Times: halotest.Forever}
	switch rapid.SampledFrom([]string{"well", "well", "well", "502", "throttled", "HTML", "403"}).Draw(t, "Halo") {
	case "502":
		d.sim.Fault(always, halotest.Status(502, "bad gateway"))
	case "throttled":
		d.sim.Fault(always, halotest.Throttle(time.Second))
	case "HTML":
		d.sim.Fault(always, halotest.HTML200())
	case "403":
		d.sim.Fault(always, halotest.Status(403, ""))
	}
}

// pools returns values of existing records.
func (d *driver) pools() map[string][]any {
	id := any(d.conn.ID.String())
	pools := map[string][]any{
		"connection": {id, id, id, d.conn.Name}, "run": {d.run}, "client_id": {testApp}, "client_secret": {testSecret}, "domain": {d.sim.ResourceServer()},
		"auth_server": {d.sim.AuthServer()}, "schedule": {"@daily", "CRON_TZ=Europe/Berlin 30 4 * * *", "61 * * * *"},
		"rate_limit": {"300/5m", "x"}, "If-Match": {etag(d.conn), "*", `"x"`},
	}
	if mappings, err := d.store.Mappings(context.Background(), "acme", repo.MappingFilter{Limit: 3}); err == nil {
		for _, m := range mappings {
			pools["mapping"] = append(pools["mapping"], m.ID.String())
			pools["ids"] = append(pools["ids"], m.ID.String())
			pools["company"] = append(pools["company"], m.CompanyID.String(), m.CompanyName)
		}
	}
	return pools
}

// drive sends one request.
func (d *driver) drive(t *rapid.T, o described, r *http.Request, path map[string]string) {
	if o.id == "watch-run" { // the stream of a queued run would not end
		ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
		defer cancel()
		r = r.WithContext(ctx)
	}
	body := bodyOf(r)
	input := d.judge.input(o, r, path)
	wrong := openapi3filter.ValidateRequest(r.Context(), input)
	bodyOf(r)
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, r.WithContext(access.With(r.Context(), d.actor)))
	if d.driven[o.id] == nil {
		d.driven[o.id] = map[int]int{}
	}
	d.driven[o.id][rec.Code]++
	what := fmt.Sprintf("%s: %s %s %q: %d %.500s", o.id, r.Method, r.URL.RequestURI(), body, rec.Code, rec.Body)
	if rec.Code == http.StatusInternalServerError {
		t.Errorf("%s\nlog: %v", what, d.log.FilterMessage("request failed").All())
	}
	if wrong != nil && rec.Code < 400 {
		t.Errorf("%s\nthe request succeeded but does not match the document: %v", what, wrong)
	}
	if rec.Code >= 400 && rec.Header().Get("Content-Type") != problemType {
		t.Errorf("%s\nhas the content type %s", what, rec.Header().Get("Content-Type"))
	}
	if strings.Contains(rec.Body.String(), testSecret) {
		t.Errorf("%s\ncontains the client secret", what)
	}
	input.Options.ExcludeResponseBody = rec.Header().Get("Content-Type") == "text/event-stream" // the validator cannot read a stream
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: rec.Code, Header: rec.Header(), Options: input.Options}
	if err := openapi3filter.ValidateResponse(r.Context(), answer.SetBodyBytes(rec.Body.Bytes())); err != nil {
		t.Errorf("%s\ndoes not match the document: %v", what, err)
	}
}

// bodyOf returns the body of a request and leaves the request readable.
func bodyOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body) // cannot fail: the body is in memory
	r.Body = io.NopCloser(bytes.NewReader(body))
	return fmt.Sprintf("%.500s", body)
}
