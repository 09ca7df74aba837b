package problem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
		detail string
	}{
		"wrong use":       {&engine.UsageError{Reason: "no such thing"}, 422, "usage", "no such thing"},
		"a command":       {&engine.UsageError{Reason: `it is there; change it with "enqueue connection update"`, Conflict: true}, 409, "conflict", "it is there"},
		"missing":         {&engine.NotFoundError{What: "connection", Name: "Acme", Hint: `"enqueue connection list" shows them`}, 404, "not-found", `connection "Acme" does not exist`},
		"driver's words":  {fmt.Errorf("connect to 10.0.0.1: %w", repo.ErrUnavailable), 503, "database", ""},
		"address":         {fmt.Errorf("10.0.0.1: %w", halo.ErrRefused), 422, "address-refused", "10.0.0.1: address not allowed"},
		"not an error":    {halo.ErrNotHalo, 502, "not-halo", "not an answer from Halo's API"},
		"budget":          {&ratelimit.BudgetError{After: time.Minute}, 429, "budget", ""},
		"control":         {&InputError{Reason: "a\x1b[2Jb"}, 422, "input", ""},
		"scope":           {&ScopeError{Need: "write"}, 403, "scope", ""},
		"too slow":        {context.DeadlineExceeded, 504, "timeout", ""},
		"something":       {errors.New("index out of range"), 500, Internal, ""},
		"within another":  {fmt.Errorf("run: %w", fmt.Errorf("page 7: %w", halo.ErrThrottled)), 429, "halo-throttled", "run: page 7: too many requests"},
		"changed":         {repo.ErrChanged, 412, "changed", ""},
		"nothing to read": {fmt.Errorf("probe: %w", engine.ErrNoClients), 502, "halo-no-clients", "probe: the credentials were accepted, and Halo returned no clients"},
	} {
		p := Of(c.err)
		if p.Status != c.status || p.Code != c.code || c.detail != "" && p.Detail != c.detail {
			t.Errorf("%s: %+v", name, p)
		}
		if strings.ContainsFunc(p.Detail, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%s: a control character in %q", name, p.Detail)
		}
		if p.Code == Internal && p.Detail != "" {
			t.Errorf("%s: an internal error shows %q", name, p.Detail)
		}
	}
	if p := Of(&ratelimit.BudgetError{After: time.Minute}); p.RetryAfter != time.Minute {
		t.Errorf("retry after %v", p.RetryAfter)
	}
}

// Each code is unique, and each Advice is a clause that can follow another clause.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range table {
		p := r.as
		if seen[p.Code] || p.Code == "" || p.Title == "" || p.Status < 400 {
			t.Errorf("%+v", p)
		}
		seen[p.Code] = true
		if p.Advice != "" && (strings.ToLower(p.Advice[:1]) != p.Advice[:1] || strings.HasSuffix(p.Advice, ".")) {
			t.Errorf("%s: advice %q", p.Code, p.Advice)
		}
		if strings.HasSuffix(p.Title, ".") || strings.Contains(p.Advice, "enqueue ") {
			t.Errorf("%s: title %q, advice %q", p.Code, p.Title, p.Advice)
		}
	}
}
