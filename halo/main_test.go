package halo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "s3cret&more/än"
	testToken  = "tok-0001-abcdef"
)

// stub is a server with a token endpoint that always agrees; the API's paths
// are the test's business.
type stub struct {
	*httptest.Server
	mu     sync.Mutex
	tokens int
	paths  []string // of the API, with query, in order of arrival
}

func newStub(t testing.TB, api http.HandlerFunc) *stub {
	t.Helper()
	s := &stub{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/token", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		s.tokens++
		n := s.tokens
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"tok-%04d-abcdef","token_type":"Bearer","expires_in":3600}`, n)
	})
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.paths = append(s.paths, r.URL.RequestURI())
		s.mu.Unlock()
		api(w, r)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// requests returns the API's paths asked for so far.
func (s *stub) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.paths...)
}

// localTransport may call the servers of tests, and leaves nothing behind.
func localTransport(t testing.TB) *http.Transport {
	t.Helper()
	allow, err := ParseAllow([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	transport := NewTransport(allow)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// api opens a handle on a stub, without waits between retries. The functions
// change the configuration first.
func (s *stub) api(t testing.TB, change ...func(*Config)) *API {
	t.Helper()
	cfg := Config{
		ResourceServer: s.URL + "/api", AuthServer: s.URL + "/auth",
		ClientID: "app", ClientSecret: testSecret, Transport: localTransport(t),
	}
	for _, f := range change {
		f(&cfg)
	}
	return newAPI(t, cfg)
}

func newAPI(t testing.TB, cfg Config) *API {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.jitter = func(time.Duration) time.Duration { return 0 }
	return a
}

// wire is a transport that answers without a network, for tests in a bubble
// of virtual time. It answers token calls itself.
type wire struct {
	answer func(*http.Request) (*http.Response, error)
	token  func(*http.Request) (*http.Response, error) // nil: always agrees
}

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/token") {
		return w.answer(r)
	}
	if w.token != nil {
		return w.token(r)
	}
	return reply(200, `{"access_token":"`+testToken+`","token_type":"Bearer","expires_in":3600}`), nil
}

// reply makes a response with header lines given as "Name: value".
func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// wired opens a handle on a wire, with the real jitter.
func wired(t testing.TB, w wire, change ...func(*Config)) *API {
	t.Helper()
	cfg := Config{
		ResourceServer: "https://halo.test/api", AuthServer: "https://halo.test/auth",
		ClientID: "app", ClientSecret: testSecret, Transport: w,
	}
	for _, f := range change {
		f(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// world is a list of clients that can change between requests.
type world struct {
	mu      sync.Mutex
	ids     []int64
	most    int                              // rows a page, whatever is asked for
	before  func(w *world, page, nth int)    // called with each request before it is answered
	count   func(w *world) any               // record_count; nil: the number of ids
	pastEnd func(w *world, size int) []int64 // rows past the end; nil: none
	served  []int                            // pages in order of arrival
}

func newWorld(n int) *world {
	w := &world{most: 100}
	for i := range n {
		w.ids = append(w.ids, int64(i+1)*10)
	}
	return w
}

func (w *world) remove(at int)     { w.ids = append(w.ids[:at:at], w.ids[at+1:]...) }
func (w *world) appendID(id int64) { w.ids = append(w.ids, id) }

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var page, size int
	q := r.URL.Query()
	_, _ = fmt.Sscan(q.Get("page_no"), &page)
	_, _ = fmt.Sscan(q.Get("page_size"), &size)
	w.served = append(w.served, page)
	if w.before != nil {
		w.before(w, page, len(w.served))
	}
	size = min(size, w.most)
	from := min((page-1)*size, len(w.ids))
	ids := w.ids[from:min(from+size, len(w.ids))]
	if len(ids) == 0 && w.pastEnd != nil {
		ids = w.pastEnd(w, size)
	}
	rows := make([]map[string]any, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, map[string]any{"id": id, "name": fmt.Sprintf("Client %d", id), "colour": "#fff"})
	}
	out := map[string]any{"page_no": page, "page_size": size, "record_count": len(w.ids), "clients": rows}
	if w.count != nil {
		out["record_count"] = w.count(w)
	}
	_ = json.NewEncoder(rw).Encode(out)
}

func (w *world) pages() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]int(nil), w.served...)
}

// readAll runs a pass to its end.
func readAll(ctx context.Context, a *API, q Query, from Cursor) (pages []Page, err error) {
	for page, err := range a.Pages(ctx, q, from) {
		if err != nil {
			return pages, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

func idsOf(pages []Page) (ids []int64) {
	for _, p := range pages {
		for _, c := range p.Clients {
			ids = append(ids, c.ID)
		}
	}
	return ids
}
