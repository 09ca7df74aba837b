package halo

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/bulkhead"
)

// TestHostileAnswers sends answers that a malicious Halo could send. Each must
// end in an error of the right kind, or in clients that are safe to store.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	zipped := func(write func(io.Writer)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			write(z)
			_ = z.Close()
		}
	}
	zeros := func(w io.Writer) { // the reader stops halfway
		chunk := make([]byte, 1<<20)
		for range 16 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
	}
	as := func(encoding, s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			_, _ = io.WriteString(w, s)
		}
	}
	page := `{"record_count":1,"clients":[{"id":1,"name":"x"}]}`
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		kind    error  // nil: the answer is accepted
		client  string // the name of the only client
		clients int
	}{
		{"gzip bomb", zipped(zeros), ErrTooLarge, "", 0},
		{"gzip in gzip", zipped(func(w io.Writer) { z := gzip.NewWriter(w); _, _ = io.WriteString(z, page); _ = z.Close() }), ErrNotHalo, "", 0},
		{"gzip announced, but not sent", as("gzip", page), ErrUnavailable, "", 0},
		{"br announced, but not sent", as("br", page), nil, "x", 1},
		{"deflate announced and garbage", as("deflate", "\x78\x9c\x01\x02"), ErrNotHalo, "", 0},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"clients":[`)
			for chunk := bytes.Repeat([]byte("  \n "), 1<<14); r.Context().Err() == nil; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, ErrTooLarge, "", 0},
		{"more announced than sent", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, page)
		}, ErrUnavailable, "", 0},
		{"rows of nothing", text(`{"clients":[` + strings.Repeat("{},", 1<<20) + `{}]}`), ErrTooLarge, "", 0},
		{"deep", text(strings.Repeat("[", 100_000)), ErrNotHalo, "", 0},
		{"deep in a field", text(`{"clients":[{"id":1,"name":"x","y":` + strings.Repeat(`{"a":`, 100_000)), ErrNotHalo, "", 0},
		{"deep, within what is allowed", text(`{"clients":[{"id":1,"name":"x","y":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}]}`), nil, "x", 1},
		{"huge number", text(`{"record_count":` + strings.Repeat("9", 1<<20) + `,"clients":[{"id":` + strings.Repeat("1", 1<<20) + `},{"id":1,"name":"x"}]}`), nil, "x", 1},
		{"huge name", text(`{"clients":[{"id":1,"name":"` + strings.Repeat("n", 6<<20) + `"}]}`), nil, strings.Repeat("n", maxText), 1},
		{"huge key", text(`{"` + strings.Repeat("k", 2<<20) + `":1,"clients":[{"id":1,"name":"x"}]}`), nil, "x", 1},
		{"two lists", text(`{"clients":[{"id":1}],"Clients":[{"id":2}]}`), ErrNotHalo, "", 0},
		{"keys twice", text(`{"clients":[{"id":9,"id":1,"name":"y","name":"x"}]}`), nil, "x", 1},
		{"wrong types", text(`{"record_count":[],"clients":[{"id":1,"name":{"a":1},"inactive":[],"toplevel_id":"x","ref":true},7,"s",null,[]]}`), nil, "", 1},
		{"NUL in every text", text(`{"clients":[{"id":1,"name":"a\u0000b","toplevel_name":"\u0000","ref":"\u0000","accountsid":"\u0000"}]}`), nil, "ab", 1},
		{"lone surrogate", text(`{"clients":[{"id":1,"name":"a\ud800b"}]}`), nil, "a\ufffdb", 1},
		{"broken UTF-8", text("{\"clients\":[{\"id\":1,\"name\":\"a\xc3b\"}]}"), nil, "ab", 1},
		{"overridden reading direction", text(`{"clients":[{"id":1,"name":"Acme\u202egpj.exe"}]}`), nil, "Acmegpj.exe", 1},
		{"UTF-16", text("\xff\xfe{\x00}\x00"), ErrNotHalo, "", 0},
		{"ids out of range", text(`{"clients":[{"id":-1},{"id":1.5},{"id":9007199254740993},{"id":1e300},{"id":1,"name":"x"},{"id":1,"name":"y"}]}`), nil, "x", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, tt.answer)
			a := s.api(t, func(c *Config) {
				c.MaxBody = 8 << 20 // a quarter of the default, to keep the test fast
				c.AttemptTimeout = 5 * time.Minute
			})
			got, err := a.Page(t.Context(), Query{}, 1)
			if tt.kind != nil {
				checkKind(t, err, tt.kind)
				if len(err.Error()) > 1000 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
				return
			}
			if err != nil || len(got.Clients) != tt.clients {
				t.Fatalf("%d clients, error %v", len(got.Clients), err)
			}
			for _, c := range got.Clients {
				checkClient(t, c)
			}
			if got.Clients[0].Name != tt.client {
				t.Errorf("name %+.80q, want %+.80q", got.Clients[0].Name, tt.client)
			}
		})
	}
}

// TestHostileServers calls servers that send HTTP that no library would
// produce.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	flood := func(first, again string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, first)
			for n := 0; err == nil && n < 1<<22; n += len(again) {
				_, err = io.WriteString(c, again)
			}
		}
	}
	tests := map[string]func(net.Conn){
		"headers without end":    flood("HTTP/1.1 200 OK\r\n", "X-Filler: "+strings.Repeat("x", 1000)+"\r\n"),
		"one header without end": flood("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1000)),
		"1xx without end":        flood("", "HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 1000)+"\r\n\r\n"),
		"not HTTP":               flood("SSH-2.0-hello\r\n", "\r\n"),
		"a byte at a time": func(c net.Conn) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
			for err == nil {
				time.Sleep(20 * time.Millisecond) // slow on purpose
				_, err = io.WriteString(c, " ")
			}
		},
	}
	for name, serve := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
			go func() {
				for {
					c, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						_, _ = c.Read(make([]byte, 4096))
						serve(c)
					}()
				}
			}()
			s := newStub(t, nil)
			a := s.api(t, func(c *Config) {
				c.ResourceServer = "http://" + listener.Addr().String()
				c.AttemptTimeout, c.RetryBudget = 500*time.Millisecond, time.Nanosecond
			})
			began := time.Now()
			_, err = a.Page(t.Context(), Query{}, 1)
			checkKind(t, err, ErrUnavailable)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestRowsDoNotMultiply compares the memory that decoding allocates with the
// size of the body. Each empty row takes three bytes of the body.
func TestRowsDoNotMultiply(t *testing.T) { // not parallel: it reads the process's counters
	body := []byte(`{"clients":[` + strings.Repeat("{},", 4<<20) + `{}]}`)
	for _, body := range [][]byte{body, bytes.TrimSuffix(bytes.TrimPrefix(body, []byte(`{"clients":`)), []byte("}"))} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decodeListing(body)
		runtime.ReadMemStats(&after)
		checkKind(t, err, ErrTooLarge)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(len(body)/4) {
			t.Errorf("decoding a body of %d bytes allocated %d", len(body), grown)
		}
	}
}

func TestHostileTokens(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{
		"a second header": "abc\r\nX-Evil: 1", "NUL": "a\x00b", "DEL": "a\x7f", "blank": "a b", "not ASCII": "töken",
		"a long one": strings.Repeat("t", maxToken+1), "a body beyond its bound": strings.Repeat("t", maxTokenBody),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := false
			raw, _ := json.Marshal(map[string]any{"access_token": token, "expires_in": 3600})
			a := wired(t, wire{
				token:  func(*http.Request) (*http.Response, error) { return reply(200, string(raw)), nil },
				answer: func(*http.Request) (*http.Response, error) { asked = true; return reply(200, `[]`), nil },
			})
			_, err := a.Page(t.Context(), Query{}, 1)
			if !errors.Is(err, ErrNotHalo) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("error %v", err)
			}
			if asked || strings.Contains(fmt.Sprint(err), "abc") || len(fmt.Sprint(err)) > 500 {
				t.Errorf("sent %t; error %.200v", asked, err)
			}
		})
	}
	if !sendable(strings.Repeat("t", maxToken)) || !sendable("eyJhbGciOi.J9-_~+/=") {
		t.Error("a valid token was rejected")
	}
}

func TestListsEnd(t *testing.T) {
	t.Parallel()
	w := newClientList(3)
	w.count = func(*clientList) any { return maxRecords + 1 }
	s := newStub(t, w.ServeHTTP)
	_, err := readAll(t.Context(), s.api(t), Query{VerifyTail: true}, Cursor{})
	checkKind(t, err, ErrTooLarge)
	if !strings.Contains(err.Error(), "the list has 2000001 clients, but the maximum is 2000000") {
		t.Errorf("error %v", err)
	}

	// The server sends no count and never stops sending new ids.
	seen := &IDSet{}
	for id := range int64(maxRecords + 1) {
		seen.Add(id + 1)
	}
	forever := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		var page int
		_, _ = fmt.Sscan(r.URL.Query().Get("page_no"), &page)
		fmt.Fprintf(w, `[{"id":%d}]`, maxRecords+page)
	})
	q, _ := Query{}.withDefaults()
	from := Cursor{NextPage: 500, PageSize: q.PageSize, Certificate: newCertificate(q), Seen: seen}
	_, err = readAll(t.Context(), forever.api(t), q, from)
	checkKind(t, err, ErrTooLarge)
	from.NextPage, from.Seen = maxPages+1, nil
	_, err = readAll(t.Context(), forever.api(t), q, from)
	checkKind(t, err, ErrTooLarge)
}

// TestLargeBodiesOneByOne reads ahead when all pages are large. While one page
// is read, no other page grows beyond [bulkhead.Medium].
func TestLargeBodiesOneByOne(t *testing.T) {
	t.Parallel()
	var growing, peak atomic.Int32
	a := wired(t, wire{answer: func(r *http.Request) (*http.Response, error) {
		var page int
		_, _ = fmt.Sscan(r.URL.Query().Get("page_no"), &page)
		body := fmt.Sprintf(`{"record_count":5,"clients":[{"id":%d,"logo":"%s"}]}`, page, strings.Repeat("A", bulkhead.Medium+100<<10))
		resp := reply(200, "")
		resp.Body = &watched{rest: body, growing: &growing, peak: &peak}
		return resp, nil
	}})
	pages, err := readAll(t.Context(), a, Query{Window: 4}, Cursor{})
	if err != nil || len(pages) != 5 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	if peak.Load() != 1 {
		t.Errorf("%d large bodies were read at once, want 1", peak.Load())
	}
}

// watched is a body that counts how many bodies exceed
// [bulkhead.Medium] at the same time.
type watched struct {
	rest          string
	read          int
	counted       bool
	growing, peak *atomic.Int32
}

func (w *watched) Read(p []byte) (int, error) {
	if w.read > bulkhead.Medium && !w.counted && w.rest != "" {
		w.counted = true
		if n := w.growing.Add(1); n > w.peak.Load() {
			w.peak.Store(n)
		}
		time.Sleep(10 * time.Millisecond) // time for another body to grow, if it can
	}
	if w.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, w.rest)
	w.rest, w.read = w.rest[n:], w.read+n
	return n, nil
}

func (w *watched) Close() error {
	if w.counted {
		w.growing.Add(-1)
	}
	return nil
}
