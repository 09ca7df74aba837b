package halotest

import "net/http"

// authInfo answers GET /api/authinfo, which needs no token.
func authInfo(c *call) answer {
	name := ""
	if c.tenant != nil {
		name = c.tenant.name
	}
	a := answer{status: http.StatusOK}
	a.json(object("auth_url", c.root()+"/auth", "tenant_id", name))
	return a
}

// discovery answers GET /auth/.well-known/openid-configuration.
func discovery(c *call) answer {
	auth := c.root() + "/auth"
	b := []byte(`{"issuer":`)
	b = appendString(b, auth+"/")
	b = appendText(b, "token_endpoint", auth+"/token")
	b = append(b, `,"grant_types_supported":["client_credentials"]`...)
	b = append(b, `,"token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"]}`...)
	a := answer{status: http.StatusOK}
	a.json(b)
	return a
}

// root returns the address that the client used, without a path.
func (c *call) root() string {
	if c.r.TLS != nil {
		return "https://" + c.r.Host
	}
	return "http://" + c.r.Host
}
