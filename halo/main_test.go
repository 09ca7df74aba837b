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

// stub is a server whose token endpoint always succeeds. Each test serves the
// API's paths itself.
type stub struct {
	*httptest.Server
	mu     sync.Mutex
	tokens int
	paths  []string // paths of the API with their query, in order of arrival
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

// requests returns the API paths requested so far.
func (s *stub) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.paths...)
}

// localTransport returns a transport that is allowed to call the test servers. Its
// connections are closed at the end of the test.
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

// api returns a handle on a stub; the handle does not wait between retries. The change
// functions adjust the configuration first.
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

// wire is a transport that answers without a network, for tests in virtual time
// (testing/synctest). It answers token calls itself.
type wire struct {
	answer func(*http.Request) (*http.Response, error)
	token  func(*http.Request) (*http.Response, error) // nil: always succeeds
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

// reply returns a response. Headers are given as "Name: value".
func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// wired returns a handle with the real jitter on a wire.
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

// clientList is a list of clients that a test can change between requests.
type clientList struct {
	mu      sync.Mutex
	ids     []int64
	maxRows int                                   // rows per page, regardless of the request
	before  func(l *clientList, page, nth int)    // called before each request is answered
	count   func(l *clientList) any               // record_count; nil: the number of ids
	pastEnd func(l *clientList, size int) []int64 // rows past the end; nil: none
	served  []int                                 // page numbers in order of arrival
}

func newClientList(n int) *clientList {
	l := &clientList{maxRows: 100}
	for i := range n {
		l.ids = append(l.ids, int64(i+1)*10)
	}
	return l
}

func (l *clientList) remove(at int)     { l.ids = append(l.ids[:at:at], l.ids[at+1:]...) }
func (l *clientList) appendID(id int64) { l.ids = append(l.ids, id) }

func (l *clientList) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var page, size int
	q := r.URL.Query()
	_, _ = fmt.Sscan(q.Get("page_no"), &page)
	_, _ = fmt.Sscan(q.Get("page_size"), &size)
	l.served = append(l.served, page)
	if l.before != nil {
		l.before(l, page, len(l.served))
	}
	size = min(size, l.maxRows)
	from := min((page-1)*size, len(l.ids))
	ids := l.ids[from:min(from+size, len(l.ids))]
	if len(ids) == 0 && l.pastEnd != nil {
		ids = l.pastEnd(l, size)
	}
	rows := make([]map[string]any, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, map[string]any{"id": id, "name": fmt.Sprintf("Client %d", id), "colour": "#fff"})
	}
	out := map[string]any{"page_no": page, "page_size": size, "record_count": len(l.ids), "clients": rows}
	if l.count != nil {
		out["record_count"] = l.count(l)
	}
	_ = json.NewEncoder(rw).Encode(out)
}

func (l *clientList) pages() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int(nil), l.served...)
}

// readAll reads all pages of a pass.
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
