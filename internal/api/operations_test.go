package api

import (
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo/repotest"
)

// described is an operation of the document.
type described struct {
	id, method, path string
	scope            access.Scope
	op               *huma.Operation
}

// operations returns all operations of the document.
func (w *world) operations() []described {
	var all []described
	for path, item := range w.huma.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete,
		} {
			if op != nil {
				scope, _ := op.Metadata[scopeKey].(access.Scope)
				all = append(all, described{op.OperationID, method, path, scope, op})
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].id < all[j].id })
	return all
}

// filled returns the path with the given connection, and with unknown ids for everything
// else.
func (d described) filled(connection string) string {
	return strings.NewReplacer("{connection}", connection, "{run}", strings.Repeat("0", 32),
		"{mapping}", "00000000-0000-0000-0000-000000000000").Replace(d.path)
}

// serve serves a request without a principal.
func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// dump returns all of tenant acme's data.
func (w *world) dump() string {
	return repotest.Value[string](w.t, w.url, `
		select md5(string_agg(r, '' order by r)) from (
			select c::text as r from halosync.connections c where tenant = 'acme' union all
			select c::text from halosync.companies c where tenant = 'acme' union all
			select m::text from halosync.mappings m where tenant = 'acme' union all
			select r::text from halosync.runs r where tenant = 'acme' union all
			select d::text from halosync.dismissals d where tenant = 'acme' union all
			select l::text from halosync.suggestion_lists l where tenant = 'acme' union all
			select s::text from halosync.suggestions s where tenant = 'acme' union all
			select e::text from halosync.events e where tenant = 'acme') all_of_acme`)
}
