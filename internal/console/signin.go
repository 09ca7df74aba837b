package console

import (
	"net/http"
)

// SignInPage shows the form that asks for an API key. message says why the last
// try did not do; next is where to go afterwards. It needs no principal.
func (c *Console) SignInPage(w http.ResponseWriter, r *http.Request, status int, message, next string) {
	v := &visit{c: c, w: w, r: r}
	if !localPath(next) {
		next = ""
	}
	p := page{Title: "Sign in", Nav: "-", Data: struct{ Message, Next string }{message, next}}
	if err := v.show(status, "signin", p); err != nil {
		v.fail(err)
	}
}
