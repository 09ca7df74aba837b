package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

var shared Shared

func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// recorder records failures instead of failing the test.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Logf(format string, args ...any) {
	r.said = append(r.said, "log: "+fmt.Sprintf(format, args...))
}

// open opens a page of a new site.
func open(t testing.TB, pages map[string]string) (*Page, string) {
	t.Helper()
	browser, err := shared.Browser()
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.Method+" "+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'")
		if strings.HasSuffix(r.URL.Path, ".js") {
			w.Header().Set("Content-Type", "text/javascript")
		}
		fmt.Fprint(w, strings.ReplaceAll(body, "FORM", r.Form.Encode()))
	}))
	t.Cleanup(site.Close)
	return browser.Open(t), site.URL
}

const head = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<link rel="icon" href="data:,"><title>A page</title></head><body><main><h1>A page</h1>`

const form = head + `<form method="post" action="/done">
	<label>Name <input name="name" value="old"></label>
	<label>Secret <input name="secret" type="password"></label>
	<label for="size">Page size</label><select id="size" name="size"><option>10</option><option>50</option></select>
	<label><input type="checkbox" name="sure"> I am sure</label>
	<button>Next</button><button disabled>Never</button></form>
	<table><tbody><tr><td>a</td><td>b  c</td></tr></tbody></table></main></body></html>`

func TestFormIsFilledIn(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprint("scripts ", scripts), func(t *testing.T) {
			t.Parallel()
			p, at := open(t, map[string]string{"GET /": form, "POST /done": head + `<p role="alert">FORM</p></main></body></html>`})
			if !scripts {
				p.WithoutScripts()
			}
			p.Go(at)
			p.Heading("A page")
			p.Fill("Name", "Bäckerei & Söhne")
			p.Fill("Secret", "s3cret")
			p.Choose("Page size", "50")
			p.Click("checkbox", "I am sure")
			if rows := p.Rows(); len(rows) != 1 || rows[0][1] != "b c" {
				t.Errorf("%q", rows)
			}
			p.Press("Next")
			p.Alert("name=B%C3%A4ckerei+%26+S%C3%B6hne&secret=s3cret&size=50&sure=on")
			p.Gone("button", "Next")
			p.Clean()
		})
	}
}

func TestFormByKeyboard(t *testing.T) {
	t.Parallel()
	p, at := open(t, map[string]string{"GET /": form, "POST /done": head + `<p role="status">FORM</p></main></body></html>`})
	p.Go(at)
	p.TabTo("textbox", "Name")
	p.Type("new")
	p.TabTo("checkbox", "I am sure")
	p.Type(" ")
	p.TabTo("button", "Next")
	p.Type("\r")
	p.Status("name=new&secret=&size=10&sure=on")
}

// A button that moves away from the mouse is clicked again.
func TestMovingButtonIsClicked(t *testing.T) {
	t.Parallel()
	p, at := open(t, map[string]string{
		"GET /": head + `<p role="status"></p><button>Add</button><script src="/move.js"></script></main></body></html>`,
		"GET /move.js": `const button = document.querySelector('button');
			button.addEventListener('mousedown', () => { button.style.marginTop = '300px'; });
			button.addEventListener('click', () => { document.querySelector('p').textContent += 'added.'; });`,
	})
	p.Go(at)
	p.Press("Add")
	p.Status("added.")
	if text := p.Text(); strings.Count(text, "added.") != 1 {
		t.Errorf("the page says %q", text)
	}
}

// The kit reports every kind of fault.
func TestFaultsAreNoticed(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	p, at := open(r, map[string]string{
		"GET /": head + `<p style="color:red">inline</p><script>alert(1)</script><script src="/wrong.js"></script>
			</main></body></html>`,
		"GET /wrong.js": "console.error('said so'); fetch('/missing'); fetch('http://other.example/'); nothing.at.all",
	})
	p.Go(at)
	p.Expect(http.StatusNotFound)
	p.Clean()
	all := strings.Join(r.said, "\n")
	for _, want := range []string{
		"content security policy: style-src", "content security policy: script-src", "content security policy: connect-src",
		"console: said so", "exception: Uncaught ReferenceError: nothing",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
	if strings.Contains(all, "/missing") {
		t.Errorf("an expected response is a fault:\n%s", all)
	}
	r.said = nil
	p.Go(at + "/nowhere")
	p.Clean()
	if all = strings.Join(r.said, "\n"); !strings.Contains(all, "/nowhere: status 404") {
		t.Errorf("a missing page: %q", all)
	}
}

func TestAccessibilityFaultsAreNoticed(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	p, at := open(r, map[string]string{
		"GET /":     head + `<input><p><font color="#bbbbbb">pale</font></p><pre>` + strings.Repeat("wide", 100) + `</pre></main></body></html>`,
		"GET /good": form,
	})
	p.Go(at)
	p.Accessible()
	all := strings.Join(r.said, "\n")
	for _, want := range []string{"label (critical)", "color-contrast (serious)", "too wide for a window of 380: main by"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
	r.said = nil
	p.Go(at + "/good")
	p.Checked()
	if len(r.said) > 0 {
		t.Errorf("a good page: %s", strings.Join(r.said, "\n"))
	}
}
