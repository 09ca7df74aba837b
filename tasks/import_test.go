package tasks

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func validImport() ImportArgs {
	return ImportArgs{Tenant: "acme", ConnectionID: "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6", All: true}
}

func ids(n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = int64(i + 1)
	}
	return s
}

func TestImportValidate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*ImportArgs)
		want   string // empty for valid
	}{
		"all":              {func(*ImportArgs) {}, ""},
		"search":           {func(a *ImportArgs) { a.All, a.Search = false, "Søren & Co" }, ""},
		"one id":           {func(a *ImportArgs) { a.All, a.ClientIDs = false, []int64{7} }, ""},
		"most ids":         {func(a *ImportArgs) { a.All, a.ClientIDs = false, ids(MaxClientIDs) }, ""},
		"too many ids":     {func(a *ImportArgs) { a.All, a.ClientIDs = false, ids(MaxClientIDs+1) }, "10001 given, at most 10000"},
		"upper-case uuid":  {func(a *ImportArgs) { a.ConnectionID = strings.ToUpper(a.ConnectionID) }, ""},
		"no tenant":        {func(a *ImportArgs) { a.Tenant = "" }, "tenant: missing"},
		"blank tenant":     {func(a *ImportArgs) { a.Tenant = " \u2003" }, "tenant: only space"},
		"long tenant":      {func(a *ImportArgs) { a.Tenant = strings.Repeat("x", 201) }, "tenant: 201 bytes"},
		"tenant, newline":  {func(a *ImportArgs) { a.Tenant = "a\nb" }, "tenant: character 2, U+000A"},
		"broken UTF-8":     {func(a *ImportArgs) { a.RequestedBy = "\xff" }, "requested by: character 1 is not valid UTF-8"},
		"no connection":    {func(a *ImportArgs) { a.ConnectionID = "" }, "connection id: missing"},
		"connection name":  {func(a *ImportArgs) { a.ConnectionID = "main" }, "connection id: not a uuid"},
		"uuid in braces":   {func(a *ImportArgs) { a.ConnectionID = "{" + a.ConnectionID + "}" }, "connection id: not a uuid"},
		"nil uuid":         {func(a *ImportArgs) { a.ConnectionID = "00000000-0000-0000-0000-000000000000" }, "connection id: not a uuid"},
		"nothing":          {func(a *ImportArgs) { a.All = false }, "nothing to import"},
		"empty ids":        {func(a *ImportArgs) { a.All, a.ClientIDs = false, []int64{} }, "nothing to import"},
		"all and search":   {func(a *ImportArgs) { a.Search = "x" }, "not several"},
		"all and ids":      {func(a *ImportArgs) { a.ClientIDs = []int64{1} }, "not several"},
		"zero id":          {func(a *ImportArgs) { a.All, a.ClientIDs = false, []int64{4, 0} }, "client ids: 0 is not"},
		"negative id":      {func(a *ImportArgs) { a.All, a.ClientIDs = false, []int64{-4} }, "client ids: -4 is not"},
		"long search":      {func(a *ImportArgs) { a.All, a.Search = false, strings.Repeat("y", 201) }, "search: 201 bytes"},
		"search of spaces": {func(a *ImportArgs) { a.All, a.Search = false, "  " }, "search: only space"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := validImport()
			tc.change(&args)
			err := args.Validate()
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("unexpected error: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error = %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestImportValidateReportsEverything(t *testing.T) {
	t.Parallel()
	err := ImportArgs{ConnectionID: "x", Search: "\x00", ClientIDs: []int64{0}}.Validate()
	if err == nil {
		t.Fatal("invalid arguments were accepted")
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 5 {
		t.Errorf("%d faults, want 5:\n%v", n, err)
	}
}

func TestImportCanonical(t *testing.T) {
	t.Parallel()
	given := []int64{5, 1, 5, 3}
	got := ImportArgs{ConnectionID: "ABC", Search: " x ", ClientIDs: given}.Canonical()
	want := ImportArgs{ConnectionID: "abc", Search: "x", ClientIDs: []int64{1, 3, 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{5, 1, 5, 3}, given); diff != "" {
		t.Errorf("the caller's slice was changed:\n%s", diff)
	}
	if diff := cmp.Diff(got, got.Canonical()); diff != "" {
		t.Errorf("not stable:\n%s", diff)
	}
}

func TestImportQueue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args ImportArgs
		want string
	}{
		{ImportArgs{All: true}, QueueImport},
		{ImportArgs{Search: "x"}, QueueImport},
		{ImportArgs{ClientIDs: ids(1)}, QueueInteractive},
		{ImportArgs{ClientIDs: ids(100)}, QueueInteractive},
		{ImportArgs{ClientIDs: ids(101)}, QueueImport},
	} {
		if got := Import().Queue(tc.args); got != tc.want {
			t.Errorf("%d ids: queue %q, want %q", len(tc.args.ClientIDs), got, tc.want)
		}
	}
}

// The JSON field names are part of the contract, because scripts read them.
func TestRunResultJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(RunResult{RunID: "r", State: "partial", Pages: 1, RecordsTotal: 2, Error: "e"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"r","state":"partial","pages":1,"records":0,"records_total":2,"complete":false,"created":0,` +
		`"linked":0,"refreshed":0,"unchanged":0,"ambiguous":0,"skipped":0,"failed":0,"missing":0,"unverified":0,"removed":0,"error":"e"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
