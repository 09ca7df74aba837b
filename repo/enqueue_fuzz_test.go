package repo_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// FuzzSQLArguments compares the two ways to make a request. If the queue's contract
// accepts some arguments, the SQL function must accept them too and produce an
// identical request. The function may refuse arguments only with a data error.
func FuzzSQLArguments(f *testing.F) {
	for kind, list := range map[string][]string{
		"import": {
			`{"all":true}`, `{"search":" bakery "}`, `{"client_ids":[3,1,1]}`, `{"all":true,"search":"x"}`, `{"client_ids":[1.0,-1,1e3]}`, `{"search":"a\u202eb"}`,
			`{"search":"\u00a0x\u3000"}`, `{"all":true,"dry_run":true}`, `{"all":null,"client_ids":[9007199254740993]}`, `[]`, `{"search":{"a":[[[]]]}}`, `{"search":"\u0000"}`,
		},
		"map":     {`{"pairs":[{"company":"a","client_id":1}],"replace":true}`, `{"pairs":[]}`, `{"pairs":{}}`, `{"pairs":[null,1]}`},
		"unmap":   {`{"mapping_ids":["0190F1A4-5C6B-7D3E-8F90-A1B2C3D4E5F6"]}`, `{"mapping_ids":[1,[],{}]}`},
		"resync":  {`{}`, `{"x":1}`, `null`},
		"suggest": {`{}`, `{"min":0.5}`, `null`},
		"other":   {`{}`},
	} {
		for _, args := range list {
			f.Add(kind, args)
		}
	}
	conn := sqlConn(f, repotest.URL(f))
	const who = `{"tenant":"acme","connection_id":"0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6"`
	whole := func(args string) []byte {
		args = strings.TrimPrefix(strings.TrimSpace(args), "{")
		if strings.TrimSpace(args) == "}" {
			return []byte(who + args)
		}
		return []byte(who + "," + args)
	}
	f.Fuzz(func(t *testing.T, kind, args string) {
		if !json.Valid([]byte(args)) || strings.ContainsRune(kind, 0) || len(args) > 10_000 {
			return
		}
		var canonical string
		err := conn.QueryRow(t.Context(), `select halosync.canonical_args($1, $2::text::jsonb)::text`, strings.ToValidUTF8(kind, ""), strings.ToValidUTF8(args, "")).Scan(&canonical)
		var sql *pgconn.PgError
		switch {
		case err != nil && (!errors.As(err, &sql) || !strings.HasPrefix(sql.Code, "22")):
			t.Fatalf("%s %s: error %v", kind, args, err)
		case !strings.HasPrefix(strings.TrimSpace(args), "{"):
			return
		}
		stored, refused := tasks.ReadStored("halo:"+kind, whole(args))
		if refused != nil {
			return // the worker makes the checks that SQL cannot make
		}
		if err != nil {
			t.Fatalf("%s %s: refused by SQL alone: %v", kind, args, err)
		}
		again, err := tasks.ReadStored("halo:"+kind, whole(canonical))
		if err != nil || again.Key != stored.Key {
			t.Errorf("%s %s: became another request, %s, error %v", kind, args, canonical, err)
		}
	})
}

func TestEnqueueIsBounded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	conn := sqlConn(t, w.url)
	for args, want := range map[string]string{
		`{"search":"` + strings.Repeat("x", 2<<20) + `"}`:                                "bytes, at most 1048576 are allowed: split the request",
		`{"client_ids":[1` + strings.Repeat(",1", 1<<20) + `]}`:                          "bytes, at most 1048576 are allowed: split the request",
		`{"search":"` + strings.Repeat("x", 201) + `"}`:                                  "search: at most 200 bytes are allowed",
		`{"search":"a\u202eb"}`:                                                          "search: has a control character",
		`{"search":"a\u009bb"}`:                                                          "search: has a control character",
		`{"search":"a\u001bb"}`:                                                          "search: has a control character",
		`{"search":"a\u0000b"}`:                                                          "",
		`{"search":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`: "",
	} {
		_, err := w.enqueue(t, conn, "import", args)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: error %.200v, want %q", args, err, want)
		}
	}
	if _, err := w.enqueue(t, conn, "import", `{"search":"Büro Süd 東京 🏢"}`); err != nil {
		t.Errorf("an ordinary search: %v", err)
	}
}
