package console

import (
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/problem"
)

// failure is a problem on a page.
type failure struct {
	problem.Problem
	SignIn bool // signing in is what to do
}

// explain returns what an error means, and logs what no reader of the page can mend.
func (v *visit) explain(err error) failure {
	p := problem.Of(err)
	if p.Code == problem.Internal {
		v.c.log.Error("page failed", zap.String("method", v.r.Method), zap.String("route", v.r.Pattern),
			zap.String("tenant", v.Tenant), zap.Error(err))
	}
	p.Advice = sentences(p.Advice)
	return failure{Problem: p, SignIn: errors.Is(err, problem.ErrNotSignedIn)}
}

// sentences makes sentences of clauses that semicolons part.
func sentences(clauses string) string {
	if clauses == "" {
		return ""
	}
	var all []string
	for clause := range strings.SplitSeq(clauses, "; ") {
		all = append(all, strings.ToUpper(clause[:1])+clause[1:]+".")
	}
	return strings.Join(all, " ")
}
