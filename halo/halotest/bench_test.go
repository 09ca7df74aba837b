package halotest

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

// BenchmarkPage calls the handler without a connection. It reads a page of 100
// rows from the middle of a list.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		r := newFixture(b, WithProfile(Profile{RateLimit: Off}))
		r.tenant.Seed(n, 1)
		for name, query := range map[string]string{"by id": "order=id", "by name": "order=name", "search": "order=id&search=ltd"} {
			b.Run(fmt.Sprintf("%d %s", n, name), func(b *testing.B) {
				page := 0
				for b.Loop() {
					page = page%(n/400) + 1
					req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("/api/Client?pageinate=true&page_size=100&page_no=%d&%s", page, query), nil)
					req.Header.Set("Authorization", "Bearer "+r.token)
					w := discard{header: http.Header{}}
					r.ServeHTTP(&w, req)
					if w.status != http.StatusOK {
						b.Fatalf("status %d", w.status)
					}
					b.SetBytes(int64(w.n))
				}
			})
		}
	}
}

// BenchmarkPageAfterChange changes a client before each page.
func BenchmarkPageAfterChange(b *testing.B) {
	r := newFixture(b, WithProfile(Profile{RateLimit: Off}))
	r.tenant.Seed(100_000, 1)
	for b.Loop() {
		r.tenant.Rename(1, "x")
		r.get("/api/Client?pageinate=true&page_size=100&page_no=500&order=id")
	}
}

// BenchmarkHTTP reads a whole page over a connection.
func BenchmarkHTTP(b *testing.B) {
	r := newFixture(b, WithProfile(Profile{RateLimit: Off}))
	r.tenant.Seed(100_000, 1)
	b.RunParallel(func(pb *testing.PB) {
		for page := 1; pb.Next(); page = page%900 + 1 {
			req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/api/Client?pageinate=true&page_size=100&page_no=%d&order=id", r.URL(), page), nil)
			req.Header.Set("Authorization", "Bearer "+r.token)
			resp, err := r.http.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}

func BenchmarkSeed(b *testing.B) {
	for b.Loop() {
		New().Tenant("").Seed(100_000, 1)
	}
}

// discard is a response writer that only counts bytes.
type discard struct {
	header http.Header
	status int
	n      int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(s int)   { d.status = s }
func (d *discard) Write(b []byte) (int, error) {
	d.n += len(b)
	return len(b), nil
}
