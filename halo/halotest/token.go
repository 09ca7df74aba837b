package halotest

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// token is an access token that is out.
type token struct {
	app     *App
	rights  Rights
	scopes  []string
	expires time.Time
	uses    int
}

// serveToken answers POST /auth/token.
func (h *Halo) serveToken(r *http.Request) answer {
	if r.Method != http.MethodPost {
		return answer{status: http.StatusMethodNotAllowed}
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return oauthError(http.StatusBadRequest, "invalid_request", "form expected")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "form cannot be read")
	}
	if grant := r.PostForm.Get("grant_type"); grant != "client_credentials" {
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", grant)
	}
	clientID, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		clientID, secret = user, password
	}
	name := r.URL.Query().Get("tenant")
	if name == "" {
		name = r.PostForm.Get("tenant")
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	tenant, ok := h.tenants[name]
	if !ok || name == "" && h.profile.NeedTenant {
		if h.profile.TenantStatus == http.StatusBadRequest {
			return oauthError(http.StatusBadRequest, "invalid_request", "unknown tenant")
		}
		return answer{status: http.StatusInternalServerError}
	}
	if h.profile.CountTokens {
		if a, ok := h.admit(tenant); !ok {
			return a
		}
	}
	app, ok := tenant.apps[clientID]
	if !ok || app.secret != secret {
		return oauthError(http.StatusUnauthorized, "invalid_client", "The client credentials are invalid.")
	}
	return h.issue(app, r.PostForm.Get("scope"))
}

// issue makes a token with the scopes that were asked for, if the application
// has them. The caller holds the lock.
func (h *Halo) issue(app *App, scope string) answer {
	scopes := strings.Fields(scope)
	for _, s := range scopes {
		if !slices.Contains(app.scopes, s) && !slices.Contains(app.scopes, "all") {
			return oauthError(http.StatusBadRequest, "invalid_scope", "scope "+s+" is not allowed")
		}
	}
	h.issued++
	text := fmt.Sprintf("eyJhbGciOiJub25lIn0.token-%d-%s.sig", h.issued, app.id)
	h.tokens[text] = &token{app: app, rights: app.rights, scopes: scopes, expires: h.now().Add(h.profile.TokenLife)}
	return jsonAnswer(http.StatusOK, map[string]any{
		"access_token": text, "token_type": "Bearer",
		"expires_in": int(h.profile.TokenLife.Seconds()), "scope": strings.Join(scopes, " "),
	})
}

// oauthError is the form of an error of RFC 6749, 5.2.
func oauthError(status int, code, description string) answer {
	return jsonAnswer(status, map[string]string{"error": code, "error_description": description})
}

// authorise finds the token of an API request and counts its use. Missing,
// unknown and expired tokens get 401, a missing scope 403, both with an empty
// body. The caller holds the lock.
func (h *Halo) authorise(r *http.Request) (*token, int) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	tok := h.tokens[text]
	if !ok || tok == nil {
		return nil, http.StatusUnauthorized
	}
	tok.uses++
	if !h.now().Before(tok.expires) || h.profile.RevokeAfter > 0 && tok.uses > h.profile.RevokeAfter {
		delete(h.tokens, text)
		return nil, http.StatusUnauthorized
	}
	for _, s := range []string{"all", "all:standard", "read:customers", "edit:customers"} {
		if slices.Contains(tok.scopes, s) {
			return tok, 0
		}
	}
	return nil, http.StatusForbidden
}
