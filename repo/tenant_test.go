package repo_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// errNothing represents an empty list, which is how a listing reports "not found".
var errNothing = errors.New("nothing")

// answerOwner is the execution id of a request by acme.
var answerOwner = uuid.MustParse("0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172")

var errNotOne = errors.New("want one row")

func nothing[T any](list []T, err error) error {
	if err == nil && len(list) == 0 {
		return errNothing
	}
	return err
}

// strangers returns calls by another tenant that use the ids of acme's rows, each with
// its expected error.
func strangers(w *fixture, claim repo.Claim, company uuid.UUID, mappings []uuid.UUID) map[string]struct {
	call func(ctx context.Context, tenant string) error
	want error
} {
	type call = func(ctx context.Context, tenant string) error
	run, list := claim.Run.ID, clients(2)
	name, key := "stolen", secret.NewString("stolen")
	steal := func(tenant string) repo.NewRun {
		n := w.newRun("k")
		n.ID, n.Tenant = run, tenant
		return n
	}
	ref := func(tenant string) repo.RunRef {
		ref := claim.Ref
		ref.Tenant = tenant
		return ref
	}
	table := map[string]struct {
		call call
		want error
	}{}
	add := func(method string, want error, f call) {
		table[method] = struct {
			call call
			want error
		}{f, want}
	}
	add("Connection", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.Connection(ctx, t, w.conn); return err })
	add("Credentials", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.Credentials(ctx, t, w.conn); return err })
	add("FindConnection", repo.ErrNotFound, func(ctx context.Context, t string) error {
		_, err := w.FindConnection(ctx, t, w.conn.String())
		return err
	})
	add("UpdateConnection", repo.ErrNotFound, func(ctx context.Context, t string) error {
		_, err := w.UpdateConnection(ctx, t, "eve", w.conn, repo.ConnectionChange{Name: &name, Secret: &key})
		return err
	})
	add("SetConnectionState", repo.ErrNotFound, func(ctx context.Context, t string) error {
		return w.SetConnectionState(ctx, t, "eve", w.conn, repo.Paused, "")
	})
	add("PreviewRemoval", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.PreviewRemoval(ctx, t, w.conn); return err })
	add("RemoveConnection", repo.ErrNotFound, func(ctx context.Context, t string) error { return w.RemoveConnection(ctx, t, "eve", w.conn) })
	add("CompanyNames", errNothing, func(ctx context.Context, t string) error {
		names, err := w.CompanyNames(ctx, t, []uuid.UUID{company})
		return nothing(slices.Collect(maps.Keys(names)), err)
	})
	add("ClientNames", errNothing, func(ctx context.Context, t string) error {
		names, err := w.ClientNames(ctx, t, w.conn, []int64{1})
		return nothing(slices.Collect(maps.Keys(names)), err)
	})
	add("ConnectionNames", errNothing, func(ctx context.Context, t string) error {
		names, err := w.ConnectionNames(ctx, t)
		return nothing(slices.DeleteFunc(names, func(n repo.ConnectionName) bool { return n.ID != w.conn }), err)
	})
	add("Run", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.Run(ctx, t, run); return err })
	add("RunSummary", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.RunSummary(ctx, t, run); return err })
	add("ClaimRequest", errNothing, func(ctx context.Context, t string) error {
		claimed, err := w.ClaimRequest(ctx, t, "key-1", "print")
		if err != nil || claimed.Answer.Status != 0 {
			return errors.Join(err, errors.New("another tenant's request"))
		}
		return errors.Join(errNothing, w.ReleaseRequest(ctx, t, "key-1", claimed.Owner))
	})
	add("AnswerRequest", errNothing, func(ctx context.Context, t string) error { // the snapshot shows whether it had an effect
		return errors.Join(errNothing, w.AnswerRequest(ctx, t, "key-1", answerOwner, repo.Answer{Status: 500}))
	})
	add("ReleaseRequest", errNothing, func(ctx context.Context, t string) error {
		return errors.Join(errNothing, w.ReleaseRequest(ctx, t, "key-1", answerOwner))
	})
	add("RunItems", errNothing, func(ctx context.Context, t string) error { return nothing(w.RunItems(ctx, t, run)) })
	add("Runs", errNothing, func(ctx context.Context, t string) error {
		return nothing(w.Runs(ctx, t, repo.RunFilter{ConnectionID: &w.conn}))
	})
	add("CreateRun", repo.ErrNotFound, func(ctx context.Context, t string) error {
		n := steal(t)
		n.ID = uuid.New()
		_, _, err := w.CreateRun(ctx, n)
		return err
	})
	add("ClaimRun", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.ClaimRun(ctx, steal(t)); return err })
	add("ReleaseRun", repo.ErrFenced, func(ctx context.Context, t string) error { return w.ReleaseRun(ctx, ref(t), "", time.Time{}) })
	add("FinishRun", repo.ErrFenced, func(ctx context.Context, t string) error {
		return w.FinishRun(ctx, ref(t), repo.Finish{State: repo.StateFailed})
	})
	add("SeenPages", errNothing, func(ctx context.Context, t string) error {
		for _, err := range w.SeenPages(ctx, ref(t)) {
			return err
		}
		return errNothing
	})
	add("ImportBatch", repo.ErrFenced, func(ctx context.Context, t string) error {
		_, err := w.ImportBatch(ctx, ref(t), page(9, list...), decider(list))
		return err
	})
	add("RequestCancel", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.RequestCancel(ctx, t, run, "eve"); return err })
	add("Beat", repo.ErrFenced, func(ctx context.Context, t string) error { return w.Beat(ctx, ref(t)) })
	add("NextRuns", errNothing, func(ctx context.Context, t string) error { return nothing(w.NextRuns(ctx, ref(t), 0)) })
	add("SetRequestKey", repo.ErrNotFound, func(ctx context.Context, t string) error { return w.SetRequestKey(ctx, t, run, "another") })
	add("RejectRun", repo.ErrNotFound, func(ctx context.Context, t string) error { return w.RejectRun(ctx, t, run, "") })
	add("ApplyFindings", repo.ErrFenced, func(ctx context.Context, t string) error { _, err := w.ApplyFindings(ctx, ref(t), 10); return err })
	add("DoubtVanished", repo.ErrFenced, func(ctx context.Context, t string) error {
		_, err := w.DoubtVanished(ctx, ref(t), 0, time.Hour, "")
		return err
	})
	add("Findings", errNothing, func(ctx context.Context, t string) error { return nothing(w.Findings(ctx, ref(t), repo.FoundSeen)) })
	add("ApproveRun", repo.ErrNotFound, func(ctx context.Context, t string) error { _, err := w.ApproveRun(ctx, t, run, "eve"); return err })
	add("ConfirmInstance", repo.ErrNotFound, func(ctx context.Context, t string) error { return w.ConfirmInstance(ctx, t, w.conn) })
	add("SampleMapped", errNothing, func(ctx context.Context, t string) error { return nothing(w.SampleMapped(ctx, t, w.conn, 9)) })
	add("MappedClients", errNothing, func(ctx context.Context, t string) error {
		for _, err := range w.MappedClients(ctx, t, w.conn) {
			return err
		}
		return errNothing
	})
	add("Suggest", repo.ErrNotFound, func(ctx context.Context, t string) error {
		_, err := w.Suggest(ctx, t, w.conn, []repo.SuggestClient{{ID: 77, Norm: "client 1", Stem: "client 1"}}, suggestOptions())
		return err
	})
	add("SuggestProgress", repo.ErrFenced, func(ctx context.Context, t string) error {
		_, err := w.SuggestProgress(ctx, ref(t), 9, 9)
		return err
	})
	add("StoreSuggestions", repo.ErrFenced, func(ctx context.Context, t string) error {
		_, err := w.StoreSuggestions(ctx, ref(t), repo.SuggestionList{Notices: []string{"stolen"}})
		return err
	})
	add("Suggestions", errNothing, func(ctx context.Context, t string) error {
		found, err := w.Suggestions(ctx, t, w.conn, repo.SuggestionFilter{})
		return nothing(append(found.Notices, make([]string, len(found.Pairs)+found.Total)...), err)
	})
	add("FindCompanies", errNothing, func(ctx context.Context, t string) error {
		return nothing(w.FindCompanies(ctx, t, company.String(), "nobody"))
	})
	add("DismissPairs", repo.ErrNotFound, func(ctx context.Context, t string) error {
		_, err := w.DismissPairs(ctx, t, "eve", w.conn, []repo.CompanyClient{{CompanyID: company, ClientID: 1}})
		return err
	})
	add("ClientsMapped", errNothing, func(ctx context.Context, t string) error {
		mapped, err := w.ClientsMapped(ctx, t, w.conn, []int64{1, 2})
		return nothing(make([]int, len(mapped)), err)
	})
	add("Mappings", errNothing, func(ctx context.Context, t string) error {
		return nothing(w.Mappings(ctx, t, repo.MappingFilter{ConnectionID: &w.conn}))
	})
	add("AllMappings", errNothing, func(ctx context.Context, t string) error {
		for _, err := range w.AllMappings(ctx, t, repo.MappingFilter{ConnectionID: &w.conn}) {
			return err
		}
		return errNothing
	})
	add("Events", errNothing, func(ctx context.Context, t string) error {
		return nothing(w.Events(ctx, t, repo.EventFilter{RunID: &run}))
	})
	add("AllCompanies", errNothing, func(ctx context.Context, t string) error {
		for c, err := range w.AllCompanies(ctx, t, repo.CompanyFilter{}) {
			if err != nil || c.Tenant != t {
				return errors.Join(err, errors.New("another tenant's row"))
			}
		}
		return errNothing
	})
	add("Connections", nil, func(ctx context.Context, t string) error { return onlyOf(t, first(w.Connections(ctx, t))) })
	add("Companies", nil, func(ctx context.Context, t string) error {
		return onlyOf(t, first(w.Companies(ctx, t, repo.CompanyFilter{})))
	})
	add("PickCompanies", nil, func(ctx context.Context, t string) error {
		return onlyOf(t, first(w.PickCompanies(ctx, t, w.conn, "", 10)))
	})
	add("CompaniesByID", errNothing, func(ctx context.Context, t string) error {
		found, err := w.CompaniesByID(ctx, t, w.conn, []uuid.UUID{company})
		return nothing(make([]int, len(found)), err)
	})
	add("AllEvents", errNothing, func(ctx context.Context, t string) error {
		for _, err := range w.AllEvents(ctx, t, repo.EventFilter{RunID: &run}) {
			return err
		}
		return errNothing
	})
	add("MapPairs", repo.ErrFenced, func(ctx context.Context, t string) error {
		_, err := w.MapPairs(ctx, ref(t), chunk(9, lookup(1, "Client 1", 2)), mapEach(repo.Client{ID: 2, Name: "Two"}))
		return err
	})
	add("MappingsByID", errNothing, func(ctx context.Context, t string) error {
		found, err := w.MappingsByID(ctx, t, mappings)
		return nothing(make([]int, len(found)), err)
	})
	add("Unmap", errNothing, func(ctx context.Context, t string) error {
		return missing(w.Unmap(ctx, t, "eve", mappings))
	})
	add("UnmapRun", repo.ErrFenced, func(ctx context.Context, t string) error {
		_, err := w.UnmapRun(ctx, ref(t), mappings)
		return err
	})
	add("Restore", errNothing, func(ctx context.Context, t string) error {
		return missing(w.Restore(ctx, t, "eve", mappings, nil))
	})
	add("UndoMappings", errNothing, func(ctx context.Context, t string) error {
		done, _, err := w.UndoMappings(ctx, t, "eve", "undo", run, uuid.Nil, func(repo.UndoMapping) string { return "" })
		return nothing(make([]int, done.Removed+done.Gone+len(done.Kept)), err)
	})
	add("UndoCompanies", errNothing, func(ctx context.Context, t string) error {
		done, _, err := w.UndoCompanies(ctx, t, "eve", "undo", run, 0, func(repo.UndoCompany) string { return "" })
		return nothing(make([]int, done.Removed+done.Gone+len(done.Kept)), err)
	})
	add("APIKeys", errNothing, func(ctx context.Context, t string) error { return nothing(w.APIKeys(ctx, t)) })
	add("RevokeAPIKey", repo.ErrNotFound, func(ctx context.Context, t string) error {
		_, _, err := w.RevokeAPIKey(ctx, t, "eve", apiKeyID.String())
		return err
	})
	add("TouchAPIKey", errNothing, func(ctx context.Context, t string) error {
		return cmp.Or(w.TouchAPIKey(ctx, t, apiKeyID), errNothing) // the snapshot shows whether it had an effect
	})
	add("AddSession", repo.ErrNotFound, func(ctx context.Context, t string) error {
		return w.AddSession(ctx, t, repo.NewSession{Hash: [32]byte{9}, Actor: "eve", Scope: "read", APIKeyID: &apiKeyID, For: time.Hour})
	})
	add("TouchSession", errNothing, func(ctx context.Context, t string) error {
		return cmp.Or(w.TouchSession(ctx, t, sessionHash), errNothing)
	})
	add("Sessions", errNothing, func(ctx context.Context, t string) error {
		return nothing(w.Sessions(ctx, t, repo.SessionFilter{APIKeyID: &apiKeyID}))
	})
	add("EndSessions", errNothing, func(ctx context.Context, t string) error {
		ended, err := w.EndSessions(ctx, t, "eve", repo.SessionFilter{APIKeyID: &apiKeyID})
		return nothing(make([]int, ended), err)
	})
	add("FindAPIKey", repo.ErrNotFound, func(ctx context.Context, t string) error {
		_, err := w.FindAPIKey(ctx, t, apiKeyID.String())
		return err
	})
	add("SecurityEvents", errNothing, func(ctx context.Context, t string) error {
		return nothing(w.SecurityEvents(ctx, t, repo.SecurityFilter{}))
	})
	add("ForgetRuns", errNothing, func(ctx context.Context, t string) error {
		gone, _, err := w.ForgetRuns(ctx, t, 0, 100)
		return nothing(make([]int, gone), err)
	})
	add("ForgetEvents", errNothing, func(ctx context.Context, t string) error {
		gone, _, err := w.ForgetEvents(ctx, t, 0, 100)
		return nothing(make([]int, gone), err)
	})
	add("DeleteExpiredSessions", errNothing, func(ctx context.Context, t string) error {
		gone, err := w.DeleteExpiredSessions(ctx, t)
		return nothing(make([]int, gone), err)
	})
	add("ForgetClients", errNothing, func(ctx context.Context, t string) error {
		gone, _, err := w.ForgetClients(ctx, t, 0, repo.CatalogueCursor{}, 100)
		return nothing(make([]int, gone), err)
	})
	// The list contains the methods that are not limited to a tenant, and those that only
	// add to the caller's tenant.
	for _, method := range []string{"Close", "Ping", "Ready", "Writable", "ResealSecrets", "KeyUses", "ClaimDue", "LateResyncs", "ForgetPlans", "ClaimUndispatched", "Undispatch", "UndispatchAll", "OthersWait", "Listen", "Role", "AddConnection", "AddCompanies", "APIKeyProof", "Session", "AnyAPIKey", "AddAPIKey", "UseSigninToken", "IfUnchanged", "Bounded", "Upkeep", "PlanUpkeep", "TakeUpkeep", "HoldUpkeep", "EndUpkeep", "TenantsAfter", "CountFleet", "PoolStat", "ConnectionsAfter", "Server", "Installation", "SessionsOfAll", "EndSessionsOfAll", "AddSecurityEvents", "SecurityEventsOfAll", "ExportSecurityEvents", "ForgetSecurityEvents"} {
		add(method, nil, func(context.Context, string) error { return nil })
	}
	return table
}

// acme's credentials for signing in.
var (
	apiKeyID    = uuid.MustParse("0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172")
	sessionHash = [32]byte{1, 2, 3}
)

func giveAccess(t *testing.T, w *fixture) {
	t.Helper()
	must[repo.APIKey](t)(repotest.OpenAs(t, repotest.CLI(t, w.url)).AddAPIKey(t.Context(), "acme", "ann", repo.NewAPIKey{ID: apiKeyID, Name: "key", Scope: "read"}))
	if err := w.AddSession(t.Context(), "acme", repo.NewSession{Hash: sessionHash, Actor: "ann", Scope: "read", APIKeyID: &apiKeyID, For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	repotest.Exec(t, w.url, `update halosync.sessions set last_seen_at = now() - interval '10 minutes'`)
}

// missing returns an error if any mapping exists.
func missing(outcomes []repo.MappingOutcome, err error) error {
	for _, o := range outcomes {
		if o.Outcome != repo.DoesNotExist || o.Mapping != nil {
			return errors.New("another tenant's mapping: " + string(o.Outcome))
		}
	}
	return nothing([]int(nil), err)
}

func first[T any](list []T, err error) any {
	if err != nil || len(list) != 1 {
		return errors.Join(err, errNotOne)
	}
	return list[0]
}

func onlyOf(tenant string, row any) error {
	if err, failed := row.(error); failed {
		return err
	}
	switch v := row.(type) {
	case repo.Connection:
		row = v.Tenant
	case repo.Company:
		row = v.Tenant
	}
	if row != tenant {
		return errors.New("another tenant's row")
	}
	return nil
}

// Two tenants have the same names and the same client ids. Neither can read or change
// the other's data through any method of the store.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	eve := join(t, w.Store, w.url, "globex", "main")
	company := repo.NewCompany{Name: "Client 1", NormName: "client 1", ExternalID: "same"}
	must[[]repo.Company](t)(eve.AddCompanies(t.Context(), "globex", "eve", []repo.NewCompany{company}))

	claim := w.claim(t, "k")
	one := clients(1)
	p := page(1, one...)
	p.Skips = []repo.RunItem{{ClientID: 5, Outcome: repo.Skipped}}
	res := must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, p, func(s repo.BatchState) ([]repo.Decision, error) {
		equal(t, "candidates of the other tenant", len(s.Candidates), 0)
		return decider(one)(s)
	}))
	equal(t, "counts", res.Counts, repo.Counts{Created: 1, Skipped: 1})
	if _, err := w.ClaimRun(t.Context(), w.newRun("waits")); !errors.As(err, new(*repo.BusyError)) {
		t.Fatal(err)
	}
	if _, err := eve.AddCompanies(t.Context(), "acme", "ann", []repo.NewCompany{{Name: "x", NormName: "x", ExternalID: "same"}}); err != nil {
		t.Errorf("external id of another tenant: %v", err)
	}
	repotest.Exec(t, w.url, `delete from halosync.companies where external_id = 'same' and tenant = 'acme'`)

	giveAccess(t, w)

	snapshot := func() string {
		return repotest.Value[string](t, w.url, `
			select md5(string_agg(r, '' order by r)) from (
				select c::text as r from halosync.connections c where tenant = 'acme' union all
				select c::text from halosync.companies c where tenant = 'acme' union all
				select m::text from halosync.mappings m where tenant = 'acme' union all
				select c::text from halosync.clients c where tenant = 'acme' union all
				select r::text from halosync.runs r where tenant = 'acme' union all
				select p::text from halosync.run_pages p where tenant = 'acme' union all
				select k::text from halosync.api_keys k where tenant = 'acme' union all
				select s::text from halosync.sessions s where tenant = 'acme' union all
				select a::text from halosync.answers a where tenant = 'acme' union all
				select l::text from halosync.suggestion_lists l where tenant = 'acme' union all
				select s::text from halosync.suggestions s where tenant = 'acme' union all
				select e::text from halosync.events e where tenant = 'acme') all_of_acme`)
	}
	mine := must[[]repo.Company](t)(w.Companies(t.Context(), "acme", repo.CompanyFilter{}))[0].ID
	mappings := w.mappingIDs()
	repotest.Exec(t, w.url, `insert into halosync.suggestion_lists (tenant, connection_id, run_id, notices) values ('acme', $1, $2, '{something}')`, w.conn, claim.Run.ID)
	repotest.Exec(t, w.url, `
		insert into halosync.suggestions (tenant, connection_id, position, company_id, client_id, client_name, score, reason, ambiguous)
		values ('acme', $1, 1, $2, 77, 'Client 77', 90, 'same name', false)`, w.conn, mine)
	repotest.Exec(t, w.url, `insert into halosync.answers (tenant, key, owner, print) values ('acme', 'key-1', $1, '')`, answerOwner)
	before, table := snapshot(), strangers(w, claim, mine, mappings)
	for method, s := range table {
		if err := s.call(t.Context(), "globex"); !errors.Is(err, s.want) {
			t.Errorf("%s: %v, want %v", method, err, s.want)
		}
	}
	equal(t, "rows of acme", snapshot(), before)
	for m := range reflect.TypeFor[*repo.Store]().Methods() {
		if _, ok := table[m.Name]; !ok {
			t.Errorf("%s is missing in this test", m.Name)
		}
	}

	// From here on, only row level security protects acme: the WHERE clause of every
	// statement matches acme's rows, but the scope is globex.
	store := repotest.Open(t, w.url)
	repo.OverrideTenant(store, "globex")
	below := *w
	below.Store = store
	table = strangers(&below, claim, mine, mappings)
	tried, leaks, free := 0, 0, []string{}
	for method, s := range table {
		err := s.call(t.Context(), "acme")
		switch method {
		case "Connections", "Companies", "PickCompanies": // these return the caller's own rows
			s.want = errNotOne
		case "AddConnection":
			_, err = store.AddConnection(t.Context(), "acme", "eve", newConnection("stolen"))
			s.want = repo.ErrNotFound
		case "ClaimRequest":
			s.want = repo.ErrNotFound
		case "AddCompanies":
			_, err = store.AddCompanies(t.Context(), "acme", "eve", []repo.NewCompany{{Name: "x", NormName: "x"}})
			s.want = repo.ErrNotFound
		case "AddAPIKey":
			cli := repotest.OpenAs(t, repotest.CLI(t, w.url))
			repo.OverrideTenant(cli, "globex")
			_, err = cli.AddAPIKey(t.Context(), "acme", "eve", repo.NewAPIKey{ID: uuid.New(), Name: "stolen", Scope: "read"})
			s.want = repo.ErrNotFound
		case "UseSigninToken":
			_, err = store.UseSigninToken(t.Context(), "acme", [32]byte{7}, time.Minute)
			s.want = repo.ErrNotFound
		}
		if s.want == nil {
			free = append(free, method)
			continue
		}
		tried++
		if !errors.Is(err, s.want) {
			leaks++
			t.Errorf("%s, with row level security alone: %v, want %v", method, err, s.want)
		}
	}
	equal(t, "rows of acme", snapshot(), before)
	slices.Sort(free)
	equal(t, "methods that are not limited to one tenant", free, []string{
		"APIKeyProof", "AddSecurityEvents", "AnyAPIKey", "Bounded", "ClaimDue", "ClaimUndispatched", "Close", "ConnectionsAfter", "CountFleet", "EndSessionsOfAll",
		"EndUpkeep", "ExportSecurityEvents", "ForgetPlans", "ForgetSecurityEvents", "HoldUpkeep", "IfUnchanged", "Installation", "KeyUses", "LateResyncs",
		"Listen", "OthersWait", "Ping", "PlanUpkeep", "PoolStat", "Ready", "ResealSecrets", "Role", "SecurityEventsOfAll", "Server", "Session",
		"SessionsOfAll", "TakeUpkeep", "TenantsAfter", "Undispatch", "UndispatchAll", "Upkeep", "Writable",
	})
	t.Logf("%d methods tested with the tenant in WHERE and with row level security alone: leaks %d", tried, leaks)
}

// The database itself refuses rows that refer to another tenant.
func TestForeignKeysHoldTheTenant(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	theirs := must[[]repo.Company](t)(w.AddCompanies(t.Context(), "globex", "eve", []repo.NewCompany{{Name: "x", NormName: "x"}}))
	for what, err := range map[string]error{
		"mapping to a company": tryExec(t, w.url, `insert into halosync.mappings
			(tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
			values ('acme', gen_random_uuid(), $1, $2, 1, 'x', false, 'map', 'ok')`, w.conn, theirs[0].ID),
		"client of a connection": tryExec(t, w.url, `insert into halosync.clients (tenant, connection_id, client_id, name, inactive)
			values ('globex', $1, 1, 'x', false)`, w.conn),
		"run of a connection": tryExec(t, w.url, `insert into halosync.runs (id, tenant, connection_id, kind, request_key)
			values (gen_random_uuid(), 'globex', $1, 'import', 'k')`, w.conn),
		"list of suggestions of a connection": tryExec(t, w.url, `insert into halosync.suggestion_lists (tenant, connection_id, run_id)
			values ('globex', $1, gen_random_uuid())`, w.conn),
		"suggestion of a company": tryExec(t, w.url, `
			with list as (insert into halosync.suggestion_lists (tenant, connection_id, run_id) values ('acme', $1, gen_random_uuid()))
			insert into halosync.suggestions (tenant, connection_id, position, company_id, client_id, client_name, score, reason, ambiguous)
			values ('acme', $1, 1, $2, 1, 'x', 90, '', false)`, w.conn, theirs[0].ID),
		"update of a tenant": tryExec(t, w.url, `update halosync.companies set tenant = '' where tenant = 'globex'`),
	} {
		if err == nil {
			t.Errorf("%s of another tenant was accepted", what)
		}
	}
	// A decision in an import cannot refer to another tenant's company either.
	claim, one := w.claim(t, "k"), clients(1)
	_, err := w.ImportBatch(t.Context(), claim.Ref, page(1, one...), func(repo.BatchState) ([]repo.Decision, error) {
		return []repo.Decision{{Client: one[0], Outcome: repo.Linked, CompanyID: theirs[0].ID}}, nil
	})
	if !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("link to another tenant's company: %v", err)
	}
}
