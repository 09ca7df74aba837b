package halotest

import (
	"net/http"
	"strings"
)

// Route is a kind of request: its method and the template of its path.
type Route string

// The routes. Everything else, wrong methods included, is RouteOther.
const (
	RouteToken     Route = "POST /token"
	RouteDiscovery Route = "GET /.well-known/openid-configuration"
	RouteAuthInfo  Route = "GET /authinfo"
	RouteList      Route = "GET /Client"
	RouteDetail    Route = "GET /Client/{id}"
	RouteOther     Route = "other"
)

// routeOf finds the route of a request and the id in its path. The method is
// the one that the path allows, "" for a path that is no route. Paths are read
// in any case (both /api/client and /api/Client are in production use).
func routeOf(r *http.Request) (route Route, id, method string) {
	path := strings.ToLower(r.URL.Path)
	switch path {
	case "/auth/token":
		route, method = RouteToken, http.MethodPost
	case "/auth/.well-known/openid-configuration":
		route, method = RouteDiscovery, http.MethodGet
	case "/api/authinfo":
		route, method = RouteAuthInfo, http.MethodGet
	case "/api/client":
		route, method = RouteList, http.MethodGet
	default:
		const prefix = "/api/client/"
		if !strings.HasPrefix(path, prefix) || strings.Contains(path[len(prefix):], "/") || path == prefix {
			return RouteOther, "", ""
		}
		route, id, method = RouteDetail, r.URL.Path[len(prefix):], http.MethodGet
	}
	if r.Method != method {
		return RouteOther, "", method
	}
	return route, id, method
}

// isAPI reports whether a request is for the resource server.
func isAPI(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.URL.Path), "/api/")
}
