package halo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadOn(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4 << 10, 4<<10 + 1, maxSpare, 3*maxSpare + 7} {
		want := bytes.Repeat([]byte("0123456"), size/7+1)[:size]
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)), "with the end": iotest.DataErrReader(bytes.NewReader(want)),
		} {
			got, err := readOn([]byte("x"), r, int64(size)+1)
			if err != nil || string(got) != "x"+string(want) {
				t.Errorf("%d bytes %s: got %d, error %v", size, name, len(got), err)
			}
			if got, err = readOn(nil, bytes.NewReader(want), 1000); err != nil || string(got) != string(want[:min(size, 1001)]) || cap(got) > 4<<10 {
				t.Errorf("%d bytes, limit of 1000: got %d in a buffer of %d, error %v", size, len(got), cap(got), err)
			}
		}
	}
	got, err := readOn(nil, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)), 100)
	if string(got) != "abc" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("broken off: %q, error %v", got, err)
	}
}

func TestSpare(t *testing.T) {
	t.Parallel()
	s := make(spare, 2)
	if b := s.take(1 << 40); cap(b) < maxSpare || cap(b) > 2*maxSpare {
		t.Errorf("announced, not sent: %d bytes", cap(b))
	}
	if b := s.take(-1); cap(b) != 0 {
		t.Errorf("unknown: %d bytes", cap(b))
	}
	for _, b := range [][]byte{nil, make([]byte, maxSpare+1), make([]byte, 10), make([]byte, 20), make([]byte, 30)} {
		s.give(b)
	}
	first, second, third := s.take(-1), s.take(15), s.take(0)
	if cap(first) != 10 || cap(second) != 20 || third != nil || len(first)+len(second) != 0 {
		t.Errorf("the pool returned %d, %d and %d bytes", cap(first), cap(second), cap(third))
	}
}

// Clients and tokens stay valid when the next body reuses the buffer.
func TestBodiesAreReused(t *testing.T) {
	t.Parallel()
	asked := 0
	a := wired(t, wire{answer: func(r *http.Request) (*http.Response, error) {
		asked++
		body := fmt.Sprintf(`{"record_count":2,"clients":[{"id":%d,"name":"Name %[1]d","ref":"\u0041%[1]d"}]}`, asked)
		if asked == 2 {
			body = strings.Replace(body, "}]}", "", 1) // the body breaks off
		}
		if r.Header.Get("Authorization") != "Bearer "+testToken {
			t.Errorf("request %d has the wrong token", asked)
		}
		return reply(200, body), nil
	}})
	var clients []Client
	for range 2 {
		page, err := a.Page(t.Context(), Query{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, page.Clients...)
	}
	if len(a.spare) != 1 {
		t.Errorf("%d buffers after three sequential answers, want 1", len(a.spare))
	}
	if fmt.Sprint(clients) != fmt.Sprint([]Client{{ID: 1, Name: "Name 1", Ref: "A1"}, {ID: 3, Name: "Name 3", Ref: "A3"}}) {
		t.Errorf("clients %v", clients)
	}
}
