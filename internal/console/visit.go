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

// visit is one request for a page, and its answer.
type visit struct {
	access.Principal
	c *Console
	w http.ResponseWriter
	r *http.Request
}

// page is what a template is given.
type page struct {
	Title string
	Nav   string // the part of the navigation that is marked: a path
	Who   access.Principal
	May   may
	Flash *flash
	Alert *failure // what went wrong; the page shows it in an element with role=alert
	Data  any
}

// may is what a page offers; the handlers refuse the rest all the same.
type may struct{ Write, Admin, Ops bool }

// may says what the principal's scope covers.
func (v *visit) may() may {
	return may{Write: v.Scope.Covers(access.Write), Admin: v.Scope.Covers(access.Admin), Ops: v.Scope.Covers(access.Ops)}
}

// render answers with a page.
func (v *visit) render(name, title string, data any) error {
	return v.show(http.StatusOK, name, page{Title: title, Data: data})
}

// renderFailed answers with a page on which something went wrong, with the
// status that says so.
func (v *visit) renderFailed(err error, name, title string, data any) error {
	f := v.explain(err)
	return v.show(f.Status, name, page{Title: title, Data: data, Alert: &f})
}

func (v *visit) show(status int, name string, p page) error {
	p.Who, p.May = v.Principal, v.may()
	p.Flash = v.takeFlash()
	if p.Nav == "" {
		p.Nav = "/" + strings.SplitN(strings.TrimPrefix(v.r.URL.Path, "/"), "/", 2)[0]
	}
	return v.write(status, name, "layout", p)
}

// fragment answers with one block of a page, for htmx. Its data is the block's
// own, not a [page].
func (v *visit) fragment(status int, name, block string, data any) error {
	return v.write(status, name, block, data)
}

// write renders into memory and then answers.
func (v *visit) write(status int, name, block string, data any) error {
	text, err := v.c.pages.execute(name, block, data)
	if err != nil {
		return err
	}
	head := v.w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Cache-Control", "no-store") // pages are a tenant's
	head.Add("Vary", "HX-Request")
	v.w.WriteHeader(status)
	_, err = v.w.Write([]byte(plaintext.PrintableLines(text)))
	if err != nil {
		v.c.log.Debug("answer was not taken", zap.Error(err)) // the browser went away
	}
	return nil
}

// redirect answers a form: the browser asks for path, which shows the message.
func (v *visit) redirect(path string, f *flash) error {
	v.setFlash(f)
	v.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// htmx says whether the browser wants a part of a page only.
func (v *visit) htmx() bool { return v.r.Header.Get("HX-Request") == "true" }

// readForm reads a form's body, which may be too large or none.
func (v *visit) readForm() error {
	err := v.r.ParseForm()
	var large *http.MaxBytesError
	if err == nil || errors.As(err, &large) {
		return err
	}
	return &problem.InputError{Reason: "The form could not be read. Go back and try again."}
}

// value is a field of the query or the form, without blanks around it and with
// the line ends of Unix.
func (v *visit) value(name string) string {
	return strings.TrimSpace(strings.ReplaceAll(v.r.FormValue(name), "\r\n", "\n"))
}

// id is the id in the path. What is no id does not exist.
func (v *visit) id() (uuid.UUID, error) {
	id, err := uuid.Parse(v.r.PathValue("id"))
	if err != nil {
		return uuid.UUID{}, problem.ErrNoPage
	}
	return id, nil
}

// with gives the address of the page in hand with some fields of its query
// changed; an empty value takes one out.
func (v *visit) with(pairs ...string) string {
	q := make(url.Values)
	for name, values := range v.r.URL.Query() {
		q[name] = values
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return v.r.URL.Path
	}
	return v.r.URL.Path + "?" + q.Encode()
}

// fail answers with the page of an error.
func (v *visit) fail(err error) {
	f := v.explain(err)
	if v.htmx() {
		// The part that was asked for is not there: the alert takes its place.
		v.w.Header().Set("HX-Reselect", "[role=alert]")
		v.w.Header().Set("HX-Reswap", "innerHTML")
		v.w.Header().Del("HX-Push-Url")
	}
	if werr := v.show(f.Status, "error", page{Title: f.Title, Alert: &f, Data: f}); werr != nil {
		v.c.log.Error("page of an error", zap.Error(werr))
		http.Error(v.w, f.Title, http.StatusInternalServerError)
	}
}
