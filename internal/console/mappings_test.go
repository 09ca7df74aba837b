package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// numbered returns a stage with mappings of the clients 1 to n, of which the mapping of
// client 1 is the oldest.
func numbered(t testing.TB, n int) (*stage, repo.Connection) {
	t.Helper()
	s := newStage(t, 2)
	conn := s.connect("main")
	mapInOrder(t, s, conn, n)
	return s, conn
}

// mapInOrder maps the clients 1 to n of a connection. As in a run, the ids of the mappings
// grow with time.
func mapInOrder(t testing.TB, s *stage, conn repo.Connection, n int) {
	t.Helper()
	repotest.Exec(t, s.url, `
		with made as (
			insert into halosync.companies (tenant, id, name, norm_name)
			select $1, uuid_in(overlay(md5($3::text || i)::text placing lpad(to_hex(i), 12, '0') from 1 for 12)::cstring), 'Company ' || lpad(i::text, 6, '0'), i::text
			from generate_series(1, $2::int) i returning id, norm_name)
		insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
		select $1, id, $3::uuid, id, norm_name::bigint, 'Client ' || norm_name, false, 'import', 'ok' from made`,
		conn.Tenant, n, conn.ID)
}

// names returns the names of the companies on a page, each without the prefix "Company
// 000".
func (a *answer) names() string {
	a.t.Helper()
	var names []string
	for _, row := range a.rows() {
		for _, cell := range row {
			if name, ok := strings.CutPrefix(cell, "Company 0"); ok {
				names = append(names, strings.TrimLeft(name, "0"))
				break
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s to %s, %d", names[0], names[len(names)-1], len(names))
}

// Pages have no gaps and no duplicates, in either direction, in each order, and at both
// ends of the list.
func TestMappingsByPages(t *testing.T) {
	t.Parallel()
	s, _ := numbered(t, 120)
	for sort, want := range map[string][]string{
		"":         {"120 to 71, 50", "70 to 21, 50", "20 to 1, 20"},
		"oldest":   {"1 to 50, 50", "51 to 100, 50", "101 to 120, 20"},
		"company":  {"1 to 50, 50", "51 to 100, 50", "101 to 120, 20"},
		"company-": {"120 to 71, 50", "70 to 21, 50", "20 to 1, 20"},
		"nonsense": {"120 to 71, 50", "70 to 21, 50", "20 to 1, 20"},
	} {
		a := s.get("/mappings?sort=" + sort)
		for i, page := range want {
			if got := a.names(); got != page {
				t.Errorf("sort %q, page %d: %s, want %s", sort, i+1, got, page)
			}
			if a.link("Next page") == "" != (i == len(want)-1) || a.link("Previous page") == "" != (i == 0) {
				t.Errorf("sort %q, page %d: next %q, previous %q", sort, i+1, a.link("Next page"), a.link("Previous page"))
			}
			if i < len(want)-1 {
				a = s.get(a.link("Next page"))
			}
		}
		for i := len(want) - 2; i >= 0; i-- {
			if a = s.get(a.link("Previous page")); a.names() != want[i] {
				t.Errorf("sort %q, back to page %d: %s, want %s", sort, i+1, a.names(), want[i])
			}
		}
		if a.link("Previous page") != "" {
			t.Errorf("sort %q: there is a page before the first", sort)
		}
	}
}

func TestMappingsAreFiltered(t *testing.T) {
	t.Parallel()
	s, conn := numbered(t, 12)
	other := s.connect("other")
	repotest.Exec(t, s.url, `update halosync.mappings set state = 'missing', state_reason = 'gone from Halo' where client_id = 3`)
	repotest.Exec(t, s.url, `update halosync.mappings set state = 'inactive' where client_id = 4`)
	for query, want := range map[string]string{
		"search=company+000011":                            "11 to 11, 1",
		"search=CLIENT+7":                                  "7 to 7, 1",
		"state=missing":                                    "3 to 3, 1",
		"state=trouble&sort=oldest":                        "3 to 4, 2",
		"state=trouble&sort=state":                         "3 to 4, 2",
		"state=ok&search=1&connection=" + conn.ID.String(): "12 to 1, 4",
		"connection=" + other.ID.String():                  "",
		"search=%25":                                       "",
	} {
		a := s.get("/mappings?" + query).wants(http.StatusOK)
		if got := a.names(); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		if want == "" && !strings.Contains(textOf(a.doc), "No mapping matches") {
			t.Errorf("%s: the empty page has no explanation", query)
		}
	}
	for _, query := range []string{"state=fine", "connection=main"} {
		s.get("/mappings?" + query).wants(http.StatusUnprocessableEntity)
	}
	row := s.get("/mappings?state=missing").rows()[0]
	if text := strings.Join(row, "|"); !strings.Contains(text, "Client 3 #3|main|") || !strings.Contains(text, "missing gone from Halo") {
		t.Errorf("row %q", row)
	}
}

// Sorting by name is limited, and the page says so.
func TestManyMappingsAreNotSorted(t *testing.T) {
	t.Parallel()
	s, _ := numbered(t, maxSorted)
	a := s.get("/mappings?sort=client")
	a.wants(http.StatusOK, "1,000 or more mappings", "by age only")
	if got := a.names(); got != "1000 to 951, 50" {
		t.Errorf("shown %s", got)
	}
	// Client 11 sorts after client 10, and client 1 comes first. Case does not matter.
	repotest.Exec(t, s.url, `update halosync.mappings set client_name = 'ÄRGER' where client_id = 11`)
	a = s.get("/mappings?sort=client&search=1")
	if got := a.names(); got != "11 to 142, 50" {
		t.Errorf("sorted by client: %s", got)
	}
}

func TestDeleteAndUndo(t *testing.T) {
	t.Parallel()
	s, _ := numbered(t, 5)
	list := s.mappings(repo.MappingFilter{})
	if a := s.post("/mappings/delete"); a.code != http.StatusUnprocessableEntity || !strings.Contains(a.role("alert"), "Select at least one") {
		t.Errorf("nothing ticked: %d %q", a.code, a.role("alert"))
	}
	s.post("/mappings/delete", "id", "x").wants(http.StatusUnprocessableEntity)
	s.post("/mappings/delete", "id", "0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172").wants(http.StatusNotFound)

	// A row's own button ignores the ticked rows.
	one := s.post("/mappings/delete", "id", list[0].ID.String(), "only", list[1].ID.String(), "back", "/mappings?sort=oldest")
	if to := one.head.Get("Location"); to != "/mappings?sort=oldest" {
		t.Errorf("back to %q", to)
	}
	a := s.follow(one)
	if message := a.role("status"); !strings.Contains(message, "“Company 000002” unmapped from “Client 2”") || a.names() != "1 to 5, 4" {
		t.Errorf("message %q, shown %s", message, a.names())
	}
	undo := a.find("form", "action", "/mappings/restore")
	if len(undo) != 1 || textOf(undo[0]) != "Undo" {
		t.Fatal("no undo is offered")
	}
	s.follow(s.post("/mappings/restore", "id", list[1].ID.String())).wants(http.StatusOK, "1 mapping restored")

	several := s.follow(s.post("/mappings/delete", "id", list[0].ID.String(), "id", list[2].ID.String(), "back", "//evil.example/"))
	if several.names() != "5 to 2, 3" || len(several.find("input", "name", "id")) != 2+3 {
		t.Errorf("shown %s", several.names())
	}
	deleted := s.get("/mappings?deleted=1")
	if deleted.names() != "3 to 1, 2" || !strings.Contains(strings.Join(deleted.rows()[0], "|"), "by key:test") {
		t.Errorf("deleted view: %s %q", deleted.names(), deleted.rows())
	}
	s.follow(s.post("/mappings/delete", "id", list[0].ID.String())).wants(http.StatusOK, "0 companies unmapped", "already unmapped")
	s.follow(s.post("/mappings/restore", "id", list[0].ID.String(), "id", list[2].ID.String())).wants(http.StatusOK, "2 mappings restored")
	s.get("/mappings?deleted=1").wants(http.StatusOK, "No former mappings")
	if got := s.mappings(repo.MappingFilter{}); len(got) != 5 || got[0].ID != list[0].ID {
		t.Errorf("%d active mappings", len(got))
	}
}

func TestCompanies(t *testing.T) {
	t.Parallel()
	s, _ := numbered(t, 60)
	s.follow(s.post("/companies", "names", "Alone & Co\r\n\r\n  Ärger GmbH ")).wants(http.StatusOK, "2 companies added")
	s.follow(s.post("/companies", "names", "Keyed", "external_id", "k-1")).wants(http.StatusOK, "“Keyed” added")
	for names, code := range map[string]int{"": 422, "a\nb": 422, "Other": 409} {
		a := s.post("/companies", "names", names, "external_id", "k-1")
		a.wants(code)
		if typed := textOf(a.find("textarea", "", "")[0]); strings.Join(strings.Fields(names), " ") != typed {
			t.Errorf("the form lost %q: %q", names, typed)
		}
	}
	a := s.get("/companies")
	if got := a.names(); got != "60 to 14, 47" || a.rows()[0][0] != "Keyed" {
		t.Errorf("%s, first %q", got, a.rows()[0])
	}
	if a = s.get(a.link("Next page")); a.names() != "13 to 1, 13" || a.link("Next page") != "" {
		t.Errorf("second page: %s", a.names())
	}
	unmapped := s.get("/companies?unmapped=1").rows()
	if len(unmapped) != 3 || unmapped[2][0] != "Alone & Co" || !strings.Contains(unmapped[0][3], "Map") {
		t.Errorf("unmapped %q", unmapped)
	}
	if rows := s.get("/companies?search=ÄRGER").rows(); len(rows) != 1 {
		t.Errorf("search: %q", rows)
	}
	s.as("empty", access.Admin).get("/companies").wants(http.StatusOK, "No companies yet")
}

// BenchmarkMappingsPage alternates between a page of a connection with 1,000 mappings and
// a page of one with 100,000. It reports the medians and their ratio. The server sends a
// page in one piece, so the total time is the time to the first byte.
func BenchmarkMappingsPage(b *testing.B) {
	sizes := []int{1_000, 100_000}
	stages, queries := make([]*stage, 2), make([]func(string) string, 2)
	for i, n := range sizes {
		s, conn := numbered(b, n)
		repotest.Exec(b, s.url, fmt.Sprintf(`update halosync.mappings set state = 'missing' where client_id %% %d = 7`, n/100))
		repotest.Exec(b, s.url, `vacuum analyze`)
		middle := s.mappings(repo.MappingFilter{Search: fmt.Sprintf("Company %06d", n/2), Limit: 1})[0].ID.String()
		stages[i], queries[i] = s, func(query string) string {
			return "/mappings?connection=" + conn.ID.String() + strings.ReplaceAll(query, "MIDDLE", middle)
		}
	}
	for _, page := range []struct{ name, query string }{
		{"first", ""}, {"middle", "&after=MIDDLE"}, {"back", "&before=MIDDLE"}, {"oldest", "&sort=oldest"},
		{"trouble", "&state=trouble"}, {"deleted", "&deleted=1"}, {"by-name", "&sort=company"},
		{"search-many", "&search=client"}, {"search-none", "&search=nothing-like-it"},
	} {
		b.Run(page.name, func(b *testing.B) {
			var took [2][]float64
			for b.Loop() {
				for i, s := range stages {
					s.t = b
					began := time.Now()
					s.get(queries[i](page.query)).wants(http.StatusOK)
					took[i] = append(took[i], time.Since(began).Seconds()*1000)
				}
			}
			median := func(all []float64) float64 {
				slices.Sort(all)
				return all[len(all)/2]
			}
			few, many := median(took[0]), median(took[1])
			b.ReportMetric(few, "ms-of-1000")
			b.ReportMetric(many, "ms-of-100000")
			b.ReportMetric(many/few, "ratio")
		})
	}
}
