package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo"
)

// failure is an error as a person is told it.
type failure struct {
	Status int
	Title  string // what happened, in a few words
	Detail string // what exactly; may be empty
	Advice string // what to do
	SignIn bool   // signing in is what to do
}

// errNobody is the answer to a visit without a principal.
var errNobody = errors.New("not signed in")

// errNoPage says that there is nothing at the address.
var errNoPage = errors.New("no such page")

// formError says what is wrong with what was filled in.
type formError struct{ reason string }

func (e *formError) Error() string { return e.reason }

// scopeError says that the principal may not do what was asked for.
type scopeError struct{ need access.Scope }

func (e *scopeError) Error() string { return fmt.Sprintf("scope %s is needed", e.need) }

// explained is the table of what errors mean to a person, the first that fits.
// An empty Detail shows nothing of the error itself.
var explained = []struct {
	is     error
	detail bool // the error's own text says something to a person
	as     failure
}{
	{errNobody, false, failure{Status: 401, Title: "You are not signed in", Advice: "Sign in, then try again.", SignIn: true}},
	{errNoPage, false, failure{Status: 404, Title: "There is nothing here", Advice: "It may have been removed, or the address is mistyped. Go on from the menu above."}},
	{repo.ErrUnavailable, false, failure{Status: 503, Title: "The database does not answer", Advice: "Nothing was changed. Try again in a moment; if it stays like this, tell whoever runs halosync."}},
	{halo.ErrCredentials, true, failure{Status: 502, Title: "Halo PSA does not accept the credentials", Advice: "Check client ID and secret in Halo (Configuration, Integrations, HaloPSA API) and update the connection."}},
	{halo.ErrUnauthorized, true, failure{Status: 502, Title: "Halo PSA does not accept its own token", Advice: "Check that the resource server and the authorisation server belong to the same Halo."}},
	{halo.ErrForbidden, true, failure{Status: 502, Title: "Halo PSA refuses access", Advice: "The application needs the permission read:customers, and its agent the right to see clients."}},
	{halo.ErrThrottled, true, failure{Status: 429, Title: "Halo PSA has had too many requests", Advice: "Wait a few minutes, then try again."}},
	{halo.ErrUnavailable, true, failure{Status: 502, Title: "Halo PSA does not answer", Advice: "Nothing was changed here. Try again in a moment; check the connection if it stays like this."}},
	{halo.ErrNotHalo, true, failure{Status: 502, Title: "That does not answer like Halo PSA", Advice: "Check the resource server and the authorisation server of the connection."}},
	{halo.ErrTooLarge, true, failure{Status: 502, Title: "Halo PSA's answer is too large", Advice: "Ask for fewer with a search or a smaller page."}},
	{halo.ErrRefused, true, failure{Status: 422, Title: "That address must not be called", Advice: "Whoever runs halosync can allow a private address with HALOSYNC_ALLOW_HOSTS."}},
	{halo.ErrNotFound, true, failure{Status: 502, Title: "Halo PSA does not have that", Advice: "It may have been deleted in Halo. Get the companies again."}},
	{halo.ErrInvalid, true, failure{Status: 502, Title: "Halo PSA refused the request", Advice: "Try other words or a smaller page; if it stays like this, tell whoever runs halosync."}},
	{repo.ErrConflict, true, failure{Status: 409, Title: "That exists already", Advice: "Choose another name, or use what is there."}},
	{repo.ErrInvalid, true, failure{Status: 422, Title: "That cannot be stored", Advice: "Correct it and try again."}},
	{repo.ErrChanged, false, failure{Status: 409, Title: "Somebody else has changed this meanwhile", Advice: "Nothing was saved. Open the page again to see the change, then repeat yours if it still makes sense."}},
	{repo.ErrNotHeld, false, failure{Status: 409, Title: "The run is not held", Advice: "Only a held run can be approved. Look at what has become of it."}},
	{repo.ErrNotFound, false, failure{Status: 404, Title: "There is nothing here", Advice: "It may have been removed. Go on from the menu above."}},
	{context.DeadlineExceeded, false, failure{Status: 504, Title: "That took too long", Advice: "Try again in a moment."}},
	{context.Canceled, false, failure{Status: 499, Title: "The request was given up", Advice: "Try again."}},
}

// explain says what an error means, and logs what nobody can put right who
// sees it.
func (v *visit) explain(err error) failure {
	f := explain(err)
	if f.Status == http.StatusInternalServerError {
		v.c.log.Error("page failed", zap.String("method", v.r.Method), zap.String("route", v.r.Pattern),
			zap.String("tenant", v.Tenant), zap.Error(err))
	}
	return f
}

// explain is the one place that knows what each error means to a person.
func explain(err error) failure {
	if f, ok := explainTyped(err); ok {
		return f
	}
	for _, row := range explained {
		if !errors.Is(err, row.is) {
			continue
		}
		f := row.as
		if row.detail {
			f.Detail = err.Error()
		}
		return f
	}
	return failure{
		Status: http.StatusInternalServerError, Title: "Something went wrong here",
		Advice: "It has been logged. Try again; if it stays like this, tell whoever runs halosync.",
	}
}

// explainTyped explains the errors that say themselves what to do.
func explainTyped(err error) (failure, bool) {
	var (
		form    *formError
		scope   *scopeError
		usage   *engine.UsageError
		missing *engine.NotFoundError
		probe   *engine.ProbeError
		budget  *ratelimit.BudgetError
		large   *http.MaxBytesError
	)
	switch {
	case errors.As(err, &form):
		return failure{Status: 422, Title: "Something is missing or misspelt", Detail: form.reason, Advice: "Correct it and try again."}, true
	case errors.As(err, &scope):
		return failure{Status: 403, Title: "You may not do that", Advice: fmt.Sprintf("It takes a key with the scope %q. Ask whoever runs halosync for one.", scope.need)}, true
	case errors.As(err, &usage):
		return explainUsage(usage), true
	case errors.As(err, &missing):
		return failure{Status: 404, Title: "There is no such " + missing.What, Advice: "It may have been removed. Go on from the menu above."}, true
	case errors.As(err, &probe):
		return explainProbe(err, probe), true
	case errors.As(err, &budget):
		return failure{Status: 429, Title: "The budget of requests to this Halo PSA is used up", Detail: err.Error(), Advice: "Others are using it: wait a few minutes, then try again."}, true
	case errors.As(err, &large):
		return failure{Status: 413, Title: "That is too much at once", Advice: "Send less."}, true
	}
	return failure{}, false
}

// explainUsage leaves out what is of use at a shell only.
func explainUsage(usage *engine.UsageError) failure {
	f := failure{Status: http.StatusUnprocessableEntity, Title: "That cannot be done as it stands", Advice: "Correct it and try again."}
	if usage.Conflict {
		f = failure{Status: http.StatusConflict, Title: "That cannot be done just now", Advice: "Look at how it stands, then try again."}
	}
	var said []string
	for clause := range strings.SplitSeq(usage.Reason, "; ") {
		if !strings.Contains(clause, `"enqueue `) {
			said = append(said, clause)
		}
	}
	f.Detail = strings.Join(said, "; ")
	return f
}

// explainProbe explains credentials that Halo did not take: by what Halo said,
// with the engine's own hint.
func explainProbe(err error, probe *engine.ProbeError) failure {
	f := failure{Status: http.StatusUnprocessableEntity, Title: "Halo PSA does not accept this connection"}
	if inner := errors.Unwrap(probe); inner != nil {
		if inner := explain(inner); inner.Status != http.StatusInternalServerError {
			f = inner
		}
	}
	f.Detail = err.Error()
	if probe.Hint != "" {
		f.Advice = sentence(errors.New(probe.Hint))
	}
	return f
}
