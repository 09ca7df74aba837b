package access

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo/repotest"
)

// nets returns addresses that are each in a network of their own, as an attacker
// with many networks has them.
func nets() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("2001:db8:%x:%x::1", n>>16, n&0xffff)
	}
}

// A stranger uses up the total allowance of failed attempts from many networks
// and goes on. No valid key, token or session is refused, in the stranger's
// network or in another.
func TestStrangersLockNoOneOut(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	now := time.Now()
	h.guard.now = func() time.Time { return now } // so that the allowance does not refill
	const rounds = 8
	var bearers, forms, cookies []string
	for i := range rounds {
		bearers = append(bearers, h.key("acme", fmt.Sprint("bearer ", i), Read))
		forms = append(forms, h.key("acme", fmt.Sprint("form ", i), Read))
		cookies = append(cookies, h.signedIn(h.key("acme", fmt.Sprint("cookie ", i), Read)))
	}
	revoked := h.key("acme", "revoked", Read)
	if _, _, err := RevokeKey(t.Context(), repotest.OpenAs(t, h.db), "acme", "ann", "revoked"); err != nil {
		t.Fatal(err)
	}
	used := token(t, nil)
	if a := h.do(get("/signin/token?token=" + used)); a.location != "/" {
		t.Fatalf("%+v", a)
	}

	next := nets()
	attacks := map[string]func() request{
		"made-up key":       func() request { return get("/x").as(madeUpKey()) },
		"made-up key, form": func() request { return signInWith(madeUpKey(), "/") },
		"no key at all":     func() request { return get("/x").as("nonsense") },
		"made-up session":   func() request { return get("/x").with(plainCookieName + "=" + newProof()) },
		"forged token":      func() request { return get("/signin/token?token=" + token(t, nil) + "x") },
		"revoked key":       func() request { return get("/x").as(revoked) },
		"used token":        func() request { return get("/signin/token?token=" + used) },
		"known key, new ids": func() request {
			return get("/x").as(madeUpKey()[:keyLength-proofLength] + revoked[keyLength-proofLength:])
		},
	}
	flood := func(times int) {
		for range times {
			for name, attack := range attacks {
				a := h.do(attack().from(next()))
				if refused := a.status == 401 || a.status == 429 || a.status == 303 && a.cookie == nil; !refused {
					t.Fatalf("%s: %d %s", name, a.status, a.body)
				}
			}
		}
	}
	flood(totalBurst/len(attacks) + 10)
	if a := h.do(get("/x").as(madeUpKey()).from(next())); a.status != 429 {
		t.Fatalf("the total allowance is not used up: %d", a.status)
	}
	h.guard.now = time.Now // tokens are about to be issued
	for i := range rounds {
		flood(2)
		from := next()
		if i%2 == 1 { // the attacker's own network, in which others may be as well
			for range 2 * clientBurst {
				h.do(get("/x").as(madeUpKey()).from(from))
			}
		}
		for name, c := range map[string]struct {
			request
			status int
		}{
			"a key that was never used": {get("/x").as(bearers[i]), 200},
			"signing in with a key":     {signInWith(forms[i], "/"), 303},
			"signing in with a link":    {get("/signin/token?token=" + token(t, nil)), 303},
			"a session":                 {get("/x").with(cookies[i]), 200},
		} {
			if a := h.do(c.from(from)); a.status != c.status || c.status == 303 && a.cookie == nil {
				t.Errorf("round %d, %s: %d %s", i, name, a.status, a.location)
			}
		}
	}
}

// Once the total allowance of failed attempts is used up, no made-up credential
// reaches Postgres, and none that is known to be invalid.
func TestFloodsDoNotReachPostgres(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	now := time.Now()
	h.guard.now = func() time.Time { return now } // so that the allowance does not refill
	revoked, ended := h.key("acme", "revoked", Read), h.signedIn(h.key("acme", "key", Read))
	if _, _, err := RevokeKey(t.Context(), repotest.OpenAs(t, h.db), "acme", "ann", "revoked"); err != nil {
		t.Fatal(err)
	}
	used := token(t, nil)
	next := nets()
	for _, q := range []request{get("/x").as(revoked), {method: http.MethodPost, path: "/signout", cookie: ended}, get("/x").with(ended), get("/signin/token?token=" + used), get("/signin/token?token=" + used)} {
		h.do(q.from(next()))
	}
	for range totalBurst + 20 {
		h.do(get("/x").as(madeUpKey()).from(next()))
	}

	ctx := context.Background()
	conn, err := pgx.Connect(ctx, h.db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `lock table halosync.api_keys, halosync.sessions, halosync.signin_tokens_used in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	for name, attack := range map[string]func() request{
		"made-up key":     func() request { return get("/x").as(madeUpKey()) },
		"made-up session": func() request { return get("/x").with(plainCookieName + "=" + newProof()) },
		"revoked key":     func() request { return get("/x").as(revoked) },
		"ended session":   func() request { return get("/x").with(ended) },
		"used token":      func() request { return get("/signin/token?token=" + used) },
		"forged token":    func() request { return get("/signin/token?token=" + used + "x") },
	} {
		for range 20 {
			// A query would wait for the lock and end with 503.
			if a := h.do(attack().from(next())); a.status != 401 && a.status != 429 && a.status != 303 || a.cookie != nil {
				t.Fatalf("%s: %d %s", name, a.status, a.body)
			}
		}
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
}

// A credential that was issued before stamps existed, or by another release, is
// accepted. Its use costs no attempt, and once it was valid, no flood stops it.
func TestUnstampedCredentials(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	key, cookie := h.key("acme", "old", Read), h.signedIn(h.key("acme", "other", Read))
	old, oldSession := key[:keyLength-proofLength]+newProof(), newProof()
	h.secrets = append(h.secrets, old[keyLength-proofLength:], oldSession)
	repotest.Exec(t, h.db, `update halosync.api_keys set hash = sha256($1::text::bytea) where name = 'old'`, old[keyLength-proofLength:])
	h.age(cookie, `hash = sha256('`+oldSession+`')`)
	next := nets()
	for range 2 * clientBurst {
		for name, q := range map[string]request{"key": get("/x").as(old), "session": get("/x").with(plainCookieName + "=" + oldSession)} {
			if a := h.do(q.from("198.51.100.7")); a.status != 200 {
				t.Fatalf("%s: %d %s", name, a.status, a.body)
			}
		}
	}
	for range totalBurst + 20 {
		h.do(get("/x").as(madeUpKey()).from(next()))
	}
	for name, q := range map[string]request{"key": get("/x").as(old), "session": get("/x").with(plainCookieName + "=" + oldSession)} {
		if a := h.do(q.from("198.51.100.7")); a.status != 200 {
			t.Errorf("%s during a flood: %d %s", name, a.status, a.body)
		}
	}
	if _, _, err := RevokeKey(t.Context(), repotest.OpenAs(t, h.db), "acme", "ann", "old"); err != nil {
		t.Fatal(err)
	}
	if a := h.do(get("/x").as(old).from("198.51.100.8")); a.status == 200 {
		t.Error("a revoked key without a stamp is accepted")
	}
}
