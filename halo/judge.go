package halo

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// judgeAPI decodes a 2xx answer from the resource server and turns any other
// answer into an error. Only the status determines the error; the body is for
// people.
func judgeAPI(ans answer, decode func([]byte) error) *Error {
	if ans.status/100 != 2 {
		return judgeStatus(ans)
	}
	err := decode(ans.body)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{kind: ErrNotHalo, cause: err}
}

// judgeStatus maps each status outside 2xx to an error.
func judgeStatus(ans answer) *Error {
	e := &Error{Status: ans.status, kind: ErrInvalid}
	switch status := ans.status; {
	case status < http.StatusBadRequest:
		e.kind, e.cause = ErrNotHalo, redirected(ans.header)
	case status == http.StatusUnauthorized:
		e.kind = ErrUnauthorized
	case status == http.StatusForbidden:
		e.kind = ErrForbidden
	case status == http.StatusNotFound, status == http.StatusGone:
		e.kind = ErrNotFound
	case status == http.StatusProxyAuthRequired:
		e.kind, e.cause = ErrUnavailable, errProxyCredentials
	case status == http.StatusRequestTimeout:
		e.kind, e.next = ErrUnavailable, retryLater
	case status == http.StatusTooManyRequests:
		e.kind, e.next = ErrThrottled, retryLater
	case status >= http.StatusInternalServerError:
		e.kind, e.next = ErrUnavailable, retryLater
	}
	return e
}

// redirected returns an error that names only the host of a redirect, because
// the rest of a login redirect can carry private state.
func redirected(h http.Header) error {
	location := h.Get("Location")
	if location == "" {
		return nil
	}
	host := "another path"
	if u, err := url.Parse(location); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	return fmt.Errorf("redirected to %s: is the address right?", host)
}

// judgeToken turns an answer from the authorisation server into an error. The arguments got
// and bad are the result of [decodeToken]. If tenant is set, a 500 is retried only once:
// Halo answers 500 when a tenant does not exist, and a person may be waiting.
func judgeToken(ans answer, got tokenAnswer, bad error, tenant string, attempts int) *Error {
	success := ans.status/100 == 2
	if success && bad == nil && got.token != "" && got.fault == "" && sendable(got.token) {
		return nil
	}
	e := judgeStatus(ans)
	// A different path on the host may be the right one, unless the answer came from
	// an OAuth endpoint.
	e.misplaced = e.next == giveUp && got.fault == "" && got.token == ""
	switch status := ans.status; {
	case success && got.token != "" && got.fault == "" && bad == nil:
		e.kind, e.cause = ErrNoToken, fmt.Errorf("token of %d bytes is too long or has invalid characters", len(got.token))
	case status/100 == 3:
	case got.fault == "invalid_client", got.fault == "invalid_grant", got.fault == "unauthorized_client":
		e.kind, e.next = ErrCredentials, giveUp
		if status < http.StatusBadRequest {
			e.cause = errors.New(got.fault)
		}
	case got.fault == "invalid_scope":
		e.kind, e.next = ErrInvalid, giveUp
		e.cause = errors.New("is the application allowed to use the scope?")
	case success:
		if broken, ok := errors.AsType[*Error](bad); ok {
			return broken
		}
		e.kind, e.cause = ErrNoToken, errWrongServer
		if got.fault != "" || kindOf(withoutBOM(ans.body)) == '<' {
			e.kind = ErrNotHalo // may be temporary, for example a maintenance page
		}
	case status == http.StatusUnauthorized:
		e.kind = ErrCredentials
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		// This must not be ErrNotFound, which would look like a missing client.
		e.kind, e.cause = ErrNoToken, errWrongServer
	case tenant != "" && (status == http.StatusBadRequest || status == http.StatusInternalServerError && bad != nil):
		e.cause = fmt.Errorf("is the tenant name %q right?", tenant)
		if attempts > 1 {
			e.next = giveUp
		}
	}
	return e
}

var errWrongServer = errors.New("is the address of the authorisation server right?")
