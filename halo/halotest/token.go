package halotest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// token is an access token. Its fields change only under the lock of the store.
type token struct {
	app     *App
	epoch   int
	scopes  []string
	rights  Rights
	dies    time.Time
	uses    int
	revoked bool
	others  []string // the id token and the refresh token of the same answer
}

// tokenStore holds the tokens of all tenants. It keeps expired tokens for a
// while, so that requests with such tokens still count towards the tenant.
type tokenStore struct {
	mu   sync.Mutex
	m    map[string]*token
	keys map[string]*App // by static key
}

// maxTokens is the number of tokens at which expired tokens are removed.
const maxTokens = 10_000

func (s *tokenStore) put(value string, t *token, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[string]*token)
	}
	if len(s.m) >= maxTokens {
		for k, old := range s.m {
			if !now.Before(old.dies) {
				delete(s.m, k)
			}
		}
	}
	s.m[value] = t
}

func (s *tokenStore) putKey(key string, a *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[string]*App)
	}
	s.keys[key] = a
}

// find returns the access token, or the application that a static key belongs to, or nil.
func (s *tokenStore) find(header http.Header) (*token, *App) {
	scheme, value, _ := strings.Cut(header.Get("Authorization"), " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.EqualFold(scheme, "Bearer") {
		return s.m[value], nil
	}
	return nil, s.keys[header.Get("X-Halo-Api-Key")]
}

// credential returns the token of a request, whether it is valid or not, or nil if there is
// none. A static key counts as a new token of its application.
func (h *Halo) credential(header http.Header) *token {
	t, a := h.tokens.find(header)
	if a == nil || a.tenant.app(a.id) != a {
		return t
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return &token{app: a, epoch: a.epoch, scopes: a.scopes, rights: a.rights, dies: h.now().Add(time.Hour)}
}

// use counts a request with t and reports whether t is valid.
func (s *tokenStore) use(t *token, now time.Time, maxUses int) bool {
	if t == nil {
		return false
	}
	t.app.mu.Lock()
	epoch := t.app.epoch
	t.app.mu.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	if t.revoked || t.epoch != epoch || !now.Before(t.dies) || maxUses > 0 && t.uses >= maxUses {
		return false
	}
	t.uses++
	return true
}

// Tokens returns the static keys and all tokens that the instance has issued,
// valid or not, in no particular order. Expired tokens are removed once there
// are 10,000 access tokens. Tests search for these secrets in the output and
// the data of a program.
func (h *Halo) Tokens() []string {
	h.tokens.mu.Lock()
	defer h.tokens.mu.Unlock()
	all := slices.Collect(maps.Keys(h.tokens.m))
	for _, t := range h.tokens.m {
		all = append(all, t.others...)
	}
	return slices.AppendSeq(all, maps.Keys(h.tokens.keys))
}

func (s *tokenStore) revoke(t *token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t != nil {
		t.revoked = true
	}
}

// maxForm bounds the body of a token request, in bytes.
const maxForm = 64 << 10

// readForm reads the body of a token request. It returns nil if the body is not
// a form.
func readForm(r *http.Request) url.Values {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	if r.ParseForm() != nil {
		return nil
	}
	return r.PostForm
}

// issue answers POST /auth/token.
func (h *Halo) issue(c *call) answer {
	if c.form == nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "The body must be application/x-www-form-urlencoded.")
	}
	if c.tenant == nil {
		if c.p.WrongTenant == WrongTenantJSON400 {
			return oauthError(http.StatusBadRequest, "invalid_request", "The specified tenant is not valid.")
		}
		return answer{status: http.StatusInternalServerError}
	}
	switch c.form.Get("grant_type") {
	case "client_credentials":
	case "":
		return oauthError(http.StatusBadRequest, "invalid_request", "The mandatory 'grant_type' parameter is missing.")
	default:
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "The specified grant type is not supported.")
	}
	id, secret, ok := credentials(c)
	if !ok {
		return oauthError(http.StatusBadRequest, "invalid_request", "Client credentials must be sent in one way only.")
	}
	app := c.tenant.app(id)
	if app == nil || !app.accepts(secret) {
		return oauthError(http.StatusUnauthorized, "invalid_client", "The specified client credentials are invalid.")
	}
	scopes, ok := app.grant(c.form.Get("scope"))
	if !ok {
		return oauthError(http.StatusBadRequest, "invalid_scope", "The specified 'scope' is invalid.")
	}
	c.app = app
	return h.mint(c, app, scopes)
}

// credentials reads the id and the secret from the body or from HTTP Basic. It
// returns false if both are present, or if Basic cannot be decoded.
func credentials(c *call) (id, secret string, ok bool) {
	id, secret = c.form.Get("client_id"), c.form.Get("client_secret")
	header := c.r.Header.Get("Authorization")
	if header == "" {
		return id, secret, true
	}
	if secret != "" {
		return "", "", false
	}
	user, pass, ok := c.r.BasicAuth()
	id, err1 := url.QueryUnescape(user) // RFC 6749 2.3.1: encoded as in a form
	secret, err2 := url.QueryUnescape(pass)
	return id, secret, ok && err1 == nil && err2 == nil
}

func (a *App) accepts(secret string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return subtle.ConstantTimeCompare([]byte(a.secret), []byte(secret)) == 1
}

// mint issues a token that looks like a JWT.
func (h *Halo) mint(c *call, app *App, scopes []string) answer {
	now := h.now()
	app.mu.Lock()
	if c.p.NewTokenKillsOld {
		app.epoch++
	}
	t := &token{app: app, epoch: app.epoch, rights: app.rights, scopes: scopes}
	app.mu.Unlock()
	t.dies = now.Add(c.p.TokenLifetime)
	if c.p.TokenDies > 0 {
		t.dies = now.Add(c.p.TokenDies)
	}

	part := base64.RawURLEncoding.EncodeToString
	jwt := func(kind string) string {
		return part(fmt.Appendf(nil, `{"alg":"RS256","typ":%q}`, kind)) + "." +
			part(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, app.id, t.dies.Unix())) + "." + rand.Text() + rand.Text()
	}
	value := jwt("at+jwt")
	b := append([]byte(`{"access_token":"`), value...)
	b = append(b, `","token_type":"Bearer"`...)
	b = appendExpiry(b, c.p)
	b = appendText(b, "scope", strings.Join(scopes, " "))
	if !c.p.BareToken {
		id, refresh := jwt("JWT"), jwt("rt+jwt")
		b = appendText(appendText(b, "id_token", id), "refresh_token", refresh)
		t.others = []string{id, refresh}
	}
	h.tokens.put(value, t, now)

	a := answer{status: http.StatusOK, header: http.Header{"Cache-Control": {"no-store"}}, token: true}
	a.json(append(b, '}'))
	return a
}

// appendExpiry appends the announced lifetime in the form that the profile
// selects.
func appendExpiry(b []byte, p *settings) []byte {
	const key = "expires_in"
	seconds := int64(p.TokenLifetime / time.Second)
	switch p.ExpiresIn {
	case ExpiresDouble:
		return append(appendInt(b, key, seconds), ".0"...)
	case ExpiresText:
		return appendText(b, key, strconv.FormatInt(seconds, 10))
	case ExpiresEmpty:
		return appendText(b, key, "")
	case ExpiresMissing:
		return b
	case ExpiresNegative:
		return appendInt(b, key, -1)
	default:
		return appendInt(b, key, seconds)
	}
}

func oauthError(status int, code, description string) answer {
	a := answer{status: status}
	a.json(object("error", code, "error_description", description))
	return a
}
