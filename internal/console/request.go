package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/problem"
)

// request is a request for a page, with its principal and response.
type request struct {
	access.Principal
	*http.Request
	c *Console
	w http.ResponseWriter
}

// page is the data that is passed to a template.
type page struct {
	Title string
	Nav   string // path of the navigation entry to highlight
	Who   access.Principal
	May   may
	Flash *flash
	Alert *failure // shown in an element with role=alert
	Data  any
}

// may contains the actions that a page offers. The handlers check the scope themselves.
type may struct{ Write, Admin, Ops bool }

// may returns the actions that the principal's scope covers.
func (r *request) may() may {
	return may{Write: r.Scope.Covers(access.Write), Admin: r.Scope.Covers(access.Admin), Ops: r.Scope.Covers(access.Ops)}
}

// render answers with a page and status 200.
func (r *request) render(name, title string, data any) error {
	return r.show(http.StatusOK, name, page{Title: title, Data: data})
}

// renderFailed answers with a page that shows an error. The response has the status of the
// error.
func (r *request) renderFailed(err error, name, title string, data any) error {
	f := r.explain(err)
	return r.show(f.Status, name, page{Title: title, Data: data, Alert: f})
}

func (r *request) show(status int, name string, p page) error {
	p.Who, p.May = r.Principal, r.may()
	p.Flash = r.takeFlash()
	if p.Nav == "" {
		p.Nav = "/" + strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 2)[0]
	}
	return r.write(status, name, "layout", p)
}

// fragment answers htmx with one block of a page. Its data argument is the data of the
// block, not a [page].
func (r *request) fragment(status int, name, block string, data any) error {
	return r.write(status, name, block, data)
}

// write renders into memory, then answers.
func (r *request) write(status int, name, block string, data any) error {
	text, err := r.c.pages.execute(name, block, data)
	if err != nil {
		return err
	}
	head := r.w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Cache-Control", "no-store") // a page shows data of one tenant
	head.Add("Vary", "HX-Request")
	r.w.WriteHeader(status)
	_, err = r.w.Write([]byte(plaintext.PrintableLines(text)))
	if err != nil {
		r.c.log.Debug("write answer failed", zap.Error(err)) // the browser closed the connection
	}
	return nil
}

// redirect answers a form. The browser then loads path, and that page shows the message.
func (r *request) redirect(path string, f *flash) error {
	r.setFlash(f)
	r.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(r.w, r.Request, path, http.StatusSeeOther)
	return nil
}

// htmx reports whether htmx sent the request. Such a request needs only a part of the page.
func (r *request) htmx() bool { return r.Header.Get("HX-Request") == "true" }

// readForm parses the body of a form. It returns an error if the body is too large or
// invalid.
func (r *request) readForm() error {
	err := r.ParseForm()
	var large *http.MaxBytesError
	if err == nil || errors.As(err, &large) {
		return err
	}
	return &problem.InputError{Reason: "The form could not be read. Go back and try again."}
}

// value returns a field of the query or the form, trimmed and with Unix line endings.
func (r *request) value(name string) string {
	return strings.TrimSpace(strings.ReplaceAll(r.FormValue(name), "\r\n", "\n"))
}

// id returns the id in the path, or [problem.ErrNoPage] if it is invalid.
func (r *request) id() (uuid.UUID, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return uuid.UUID{}, problem.ErrNoPage
	}
	return id, nil
}

// filterID returns the id that a list is filtered by, or nil if text is empty. For an
// invalid id it returns an error with the given reason.
func filterID(text, reason string) (*uuid.UUID, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no filter
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, &problem.InputError{Reason: reason}
	}
	return &id, nil
}

// The method with returns this page's URL with some query parameters changed. An empty
// value removes a parameter.
func (r *request) with(pairs ...string) string {
	q := make(url.Values)
	for name, values := range r.URL.Query() {
		q[name] = values
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return r.URL.Path
	}
	return r.URL.Path + "?" + q.Encode()
}

// fail answers with an error page.
func (r *request) fail(err error) {
	f := r.explain(err)
	if r.htmx() {
		// The alert replaces the requested part.
		r.w.Header().Set("HX-Reselect", "[role=alert]")
		r.w.Header().Set("HX-Reswap", "innerHTML")
		r.w.Header().Del("HX-Push-Url")
	}
	if werr := r.show(f.Status, "error", page{Title: f.Title, Alert: f, Data: f}); werr != nil {
		r.c.log.Error("render error page failed", zap.Error(werr))
		http.Error(r.w, f.Title, http.StatusInternalServerError)
	}
}

// failure is a problem as a page shows it.
type failure struct {
	problem.Problem
	SignIn bool // show a link to sign in
}

// explain returns the problem that describes an error. It logs internal errors.
func (r *request) explain(err error) *failure {
	p := problem.Of(err)
	if p.Code == problem.Internal {
		r.c.log.Error("page failed", zap.String("method", r.Method), zap.String("route", r.Pattern),
			zap.String("tenant", r.Tenant), zap.Error(err))
	}
	p.Advice = sentences(p.Advice)
	return &failure{Problem: p, SignIn: errors.Is(err, problem.ErrNotSignedIn)}
}

// sentences turns clauses separated by semicolons into sentences.
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
