package journeys

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signinSecret is the secret with which the product signs its links.
const signinSecret = "made-up-secret-of-a-product-in-a-test"

// link returns a sign-in link of the product.
func (tech *technician) link(tenant, user, next string) string {
	tech.T.Helper()
	now := time.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": "halosync", "sub": user, "tenant": tenant, "scope": "write", "iat": now.Unix(), "exp": now.Unix() + 60, "jti": rand.Text(),
	}).SignedString([]byte(signinSecret))
	if err != nil {
		tech.T.Fatal(err)
	}
	return "/signin/token?next=" + next + "&token=" + token
}

// A link of the product signs a user in. If the browser has the session of
// another user, a page asks for confirmation first. The address of no page
// contains the token.
func (tech *technician) linkInBrowser() {
	tech.signIn()
	tech.visit(tech.link("evil-msp", "mallory", "/runs"))
	tech.Heading("Sign in as someone else?")
	tech.audit()
	tech.noToken()
	tech.Follow("Do not change")
	tech.Heading("Connections")
	tech.Read(tech.msp)

	tech.visit(tech.link(tech.msp, "anna@msp.example", "/runs"))
	tech.Heading("Sign in as someone else?")
	tech.Press("Change")
	tech.Heading("Runs")
	tech.KeepAccess(tech.Cookies()["__Host-halosync"])
	tech.inspect()
	tech.visit(tech.link(tech.msp, "anna@msp.example", "/mappings")) // the same user
	tech.Heading("Mappings")
	tech.KeepAccess(tech.Cookies()["__Host-halosync"])
	tech.noToken()
	tech.Press("Sign out")
	tech.Heading("Sign in")
	if cookies := tech.Cookies(); len(cookies) > 0 {
		tech.T.Errorf("cookies after signing out: %v", cookies)
	}

	used := tech.link(tech.msp, "anna@msp.example", "/companies")
	tech.visit(used) // without a session
	tech.Heading("Companies")
	tech.KeepAccess(tech.Cookies()["__Host-halosync"])
	tech.inspect()
	tech.visit(used)
	tech.Expect(http.StatusUnauthorized)
	tech.Alert("This sign-in link has expired. Open the page from your product again.")
	tech.noToken()
	tech.audit()
}

// noToken fails the test if the page's address contains a token.
func (tech *technician) noToken() {
	tech.T.Helper()
	if address := tech.Address(); strings.Contains(address, "token") {
		tech.T.Errorf("the address is %s", address)
	}
}
