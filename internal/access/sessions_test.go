package access

import (
	"net/http"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/secret"
)

// A session of the product's user works as long as the secret that signed the user's
// token is configured. Sessions of API keys do not depend on it.
func TestReplacedSigninSecret(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	ofKey := h.signedIn(h.key("acme", "key", Read))
	a := h.do(get("/signin/token?token=" + token(t, nil)))
	if a.status != http.StatusSeeOther || a.cookie == nil {
		t.Fatalf("sign-in: %+v", a)
	}
	ofUser := a.cookie.Name + "=" + a.cookie.Value
	old, next := secret.NewString(signinSecret), secret.NewString(strings.Repeat("new", 20))
	longer := secret.NewString(signinSecret + "x")
	for _, c := range []struct {
		what    string
		secrets []secret.String
		status  int
	}{
		{"before", []secret.String{old}, 200},
		{"while it is being replaced", []secret.String{next, old}, 200},
		{"afterwards", []secret.String{next}, 401},
		{"with a similar secret", []secret.String{longer}, 401},
		{"without tokens", nil, 401},
		{"after going back", []secret.String{old}, 200},
	} {
		h.guard.secrets = c.secrets
		h.guard.throttle = newThrottle() // forgets what was rejected, as a restart does
		if got := h.do(get("/x").with(ofUser)).status; got != c.status {
			t.Errorf("%s: session of a user: status %d, want %d", c.what, got, c.status)
		}
		if got := h.do(get("/x").with(ofKey)).status; got != 200 {
			t.Errorf("%s: session of a key: status %d", c.what, got)
		}
	}
}
