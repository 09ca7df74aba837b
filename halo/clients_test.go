package halo

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClient(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/Client/12" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"id":12.0,"name":" Acme ","inactive":1,"toplevel_id":3,"toplevel_name":"Group","customfields":[]}`)
	})
	a := s.api(t)
	got, err := a.Client(t.Context(), 12)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Client{ID: 12, Name: "Acme", Inactive: true, TopLevelID: 3, TopLevelName: "Group"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := a.Client(t.Context(), 13); !errors.Is(err, ErrNotFound) || got != (Client{}) {
		t.Errorf("%+v, error %v; want ErrNotFound", got, err)
	}
	before := len(s.requests())
	for _, id := range []int64{0, -1, maxID + 1} {
		if _, err := a.Client(t.Context(), id); !errors.Is(err, ErrInvalid) {
			t.Errorf("id %d: error %v", id, err)
		}
	}
	if len(s.requests()) != before {
		t.Error("requests for invalid ids")
	}
}

// A wrong address or a failed authorisation must never look like a client that
// does not exist.
func TestNotFoundIsAboutTheClientOnly(t *testing.T) {
	t.Parallel()
	a := wired(t, wire{token: func(*http.Request) (*http.Response, error) { return reply(404, ""), nil }})
	if _, err := a.Client(t.Context(), 12); errors.Is(err, ErrNotFound) {
		t.Errorf("404 from the authorisation server: %v", err)
	}
}

func TestListQuery(t *testing.T) {
	t.Parallel()
	s := newStub(t, newClientList(3).ServeHTTP)
	a := s.api(t)
	for _, q := range []Query{{}, {Search: "a&b =ü", IncludeInactive: true, PageSize: 7}} {
		if _, err := a.Page(t.Context(), q, 1); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"/api/Client?order=id&page_no=1&page_size=100&pageinate=true",
		"/api/Client?includeinactive=true&order=id&page_no=1&page_size=7&pageinate=true&search=" + url.QueryEscape("a&b =ü"),
	}
	if diff := cmp.Diff(want, s.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	a := newStub(t, newClientList(25).ServeHTTP).api(t)
	tests := []struct {
		size, number int
		first        int64
		rows         int
		last         bool
	}{
		{10, 1, 10, 10, false},
		{10, 3, 210, 5, false}, // looks like a short page
		{10, 4, 0, 0, true},
		{100, 1, 10, 25, true},
	}
	for _, tt := range tests {
		p, err := a.Page(t.Context(), Query{PageSize: tt.size}, tt.number)
		if err != nil {
			t.Fatal(err)
		}
		if p.Number != tt.number || p.Rows != tt.rows || len(p.Clients) != tt.rows || p.RecordCount != 25 || p.Last != tt.last {
			t.Errorf("page %d of %d: %+v", tt.number, tt.size, p)
		}
		if tt.rows > 0 && p.Clients[0].ID != tt.first {
			t.Errorf("page %d of %d starts with %d", tt.number, tt.size, p.Clients[0].ID)
		}
	}
	for name, call := range map[string]func() (Page, error){
		"page 0":    func() (Page, error) { return a.Page(t.Context(), Query{}, 0) },
		"page size": func() (Page, error) { return a.Page(t.Context(), Query{PageSize: 101}, 1) },
		"negative":  func() (Page, error) { return a.Page(t.Context(), Query{PageSize: -1}, 1) },
	} {
		if _, err := call(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
	}
}
