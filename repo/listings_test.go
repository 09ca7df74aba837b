package repo_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestCompanies(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	added := must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{
		{Name: "Client 1", NormName: "client 1", ExternalID: "x-1"},
		{Name: "100% _Café_", NormName: "100% _café_"},
		{Name: strings.Repeat("\U0001F950", 1000), NormName: strings.Repeat("\uFDFA", 18_000)}, // too long for an index row
	}))
	equal(t, "company", []any{added[0].Name, added[0].ExternalID, added[0].Tenant}, []any{"Client 1", "x-1", "acme"})
	w.importAll(t, "k", clients(2)...)

	names := func(f repo.CompanyFilter) (names []string) {
		for _, c := range must[[]repo.Company](t)(w.Companies(t.Context(), w.tenant, f)) {
			names = append(names, c.Name[:min(8, len(c.Name))])
		}
		return names
	}
	for _, tt := range []struct {
		filter repo.CompanyFilter
		want   string
	}{
		{repo.CompanyFilter{Limit: 2}, "Client 1|100% _Ca"},
		{repo.CompanyFilter{After: added[2].ID}, "Client 2"},
		{repo.CompanyFilter{Search: "CLIENT"}, "Client 1|Client 2"},
		{repo.CompanyFilter{Search: "_"}, "100% _Ca"},
		{repo.CompanyFilter{Search: "0%"}, "100% _Ca"},
		{repo.CompanyFilter{Unmapped: true, Limit: 1}, "100% _Ca"},
		{repo.CompanyFilter{NewestFirst: true, Limit: 1}, "Client 2"},
		{repo.CompanyFilter{NewestFirst: true, After: added[1].ID}, "Client 1"},
		{repo.CompanyFilter{Unmapped: true, Search: "client"}, ""},
	} {
		equal(t, fmt.Sprintf("%+v", tt.filter), strings.Join(names(tt.filter), "|"), tt.want)
	}
	all := must[[]repo.Company](t)(w.Companies(t.Context(), w.tenant, repo.CompanyFilter{}))
	if all[0].ClientID == nil || *all[0].ClientID != 1 || *all[0].ClientName != "Client 1" || all[1].ClientID != nil {
		t.Errorf("clients of companies: %+v", all[:2])
	}
	equal(t, "events", repotest.Value[int](t, w.url, `select count(*) from halosync.events where action = 'company.created' and actor = 'ann'`), 4)
}

func TestAddCompaniesRefuses(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ok := repo.NewCompany{Name: "a", NormName: "a", ExternalID: "x"}
	must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{ok}))
	for what, tt := range map[string]struct {
		add  []repo.NewCompany
		want error
	}{
		"taken":    {[]repo.NewCompany{{Name: "b", NormName: "b"}, ok}, repo.ErrConflict},
		"double":   {[]repo.NewCompany{{Name: "b", NormName: "b", ExternalID: "y"}, {Name: "c", NormName: "c", ExternalID: "y"}}, repo.ErrConflict},
		"empty":    {[]repo.NewCompany{{NormName: "b"}}, repo.ErrInvalid},
		"no norm":  {[]repo.NewCompany{{Name: "b"}}, repo.ErrInvalid},
		"NUL":      {[]repo.NewCompany{{Name: "b\x00", NormName: "b"}}, repo.ErrInvalid},
		"too long": {[]repo.NewCompany{{Name: strings.Repeat("é", 1001), NormName: "b"}}, repo.ErrInvalid},
	} {
		if _, err := w.AddCompanies(t.Context(), w.tenant, "ann", tt.add); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var conflict *repo.ConflictError
	_, err := w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{ok})
	if !errors.As(err, &conflict) || conflict.Name != "x" {
		t.Errorf("conflict: %v", err)
	}
	equal(t, "companies", repotest.Value[int](t, w.url, `select count(*) from halosync.companies`), 1)
}

func TestMappings(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := join(t, w.Store, w.url, w.tenant, "other")
	list := clients(1200) // more than one chunk of AllMappings
	w.importAll(t, "k", list...)
	list[0].Inactive = true
	other.importAll(t, "k", list[:2]...)

	ids := func(f repo.MappingFilter) (ids []string) {
		for _, m := range must[[]repo.Mapping](t)(w.Mappings(t.Context(), w.tenant, f)) {
			ids = append(ids, fmt.Sprint(m.Connection, " ", m.ClientID))
		}
		return ids
	}
	first := must[[]repo.Mapping](t)(w.Mappings(t.Context(), w.tenant, repo.MappingFilter{Limit: 1}))[0].ID
	for _, tt := range []struct {
		filter repo.MappingFilter
		want   string
	}{
		{repo.MappingFilter{Limit: 2}, "main 1|main 2"},
		{repo.MappingFilter{ConnectionID: &other.conn}, "other 1|other 2"},
		{repo.MappingFilter{State: repo.MappingInactive}, "other 1"},
		{repo.MappingFilter{Troubled: true}, "other 1"},
		{repo.MappingFilter{State: repo.MappingOK, ConnectionID: &other.conn}, "other 2"},
		{repo.MappingFilter{NewestFirst: true, Limit: 2}, "other 2|other 1"},
		{repo.MappingFilter{NewestFirst: true, After: first, Limit: 1}, ""},
		{repo.MappingFilter{Search: "CLIENT 1200"}, "main 1200"},
		{repo.MappingFilter{Search: "%"}, ""},
	} {
		equal(t, fmt.Sprintf("%+v", tt.filter), strings.Join(ids(tt.filter), "|"), tt.want)
	}
	all := w.AllMappings(t.Context(), w.tenant, repo.MappingFilter{})
	for range 2 {
		seen := map[uuid.UUID]bool{}
		for m, err := range all {
			if err != nil {
				t.Fatal(err)
			}
			seen[m.ID] = true
		}
		equal(t, "all", len(seen), 1202)
	}
	for _, err := range all {
		if err != nil {
			t.Error(err)
		}
		break
	}

	mapped := must[map[int64]repo.CompanyRef](t)(w.ClientsMapped(t.Context(), w.tenant, other.conn, []int64{2, 3}))
	equal(t, "mapped", []any{len(mapped), mapped[2].Name}, []any{1, "Client 2"})
	equal(t, "none", len(must[map[int64]repo.CompanyRef](t)(w.ClientsMapped(t.Context(), w.tenant, other.conn, nil))), 0)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.importAll(t, "k", clients(2)...)
	run := must[[]repo.Run](t)(w.Runs(t.Context(), w.tenant, repo.RunFilter{}))[0]
	mapping := must[[]repo.Mapping](t)(w.Mappings(t.Context(), w.tenant, repo.MappingFilter{}))[0]

	actions := func(f repo.EventFilter) (out []string) {
		for _, e := range must[[]repo.Event](t)(w.Events(t.Context(), w.tenant, f)) {
			out = append(out, e.Action)
		}
		return out
	}
	equal(t, "all", actions(repo.EventFilter{}),
		[]string{"mapping.created", "mapping.created", "company.created", "company.created", "connection.added"})
	equal(t, "of the mapping", actions(repo.EventFilter{MappingID: &mapping.ID}), []string{"mapping.created"})
	equal(t, "of the run", len(actions(repo.EventFilter{RunID: &run.ID})), 4)
	equal(t, "future", len(actions(repo.EventFilter{Since: time.Now().Add(time.Hour)})), 0)
	newest := must[[]repo.Event](t)(w.Events(t.Context(), w.tenant, repo.EventFilter{Limit: 1}))[0]
	equal(t, "next page", len(actions(repo.EventFilter{Before: newest.ID})), 4)

	for _, sql := range []string{
		`update halosync.events set actor = 'eve'`, `delete from halosync.events`, `truncate halosync.events`,
		`delete from halosync.events where false`,
	} {
		if err := tryExec(t, w.url, sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
