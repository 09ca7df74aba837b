package halo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/bulkhead"
)

// Config is the configuration of an [API]. Printing, marshalling or logging it
// never shows its secrets.
type Config struct {
	// ResourceServer is the base URL of all API requests, e.g.
	// https://acme.halopsa.com/api, as [ParseResourceServer] returns it.
	ResourceServer string
	// AuthServer is the base URL of the token call, e.g.
	// https://acme.halopsa.com/auth, or its whole URL, ending in /token, as
	// [ParseAuthServer] returns it.
	AuthServer string
	// Tenant is sent with the token call unless it is empty. Some hosted
	// instances need it.
	Tenant string
	// ClientID and ClientSecret are the application's credentials.
	ClientID, ClientSecret string
	// HeaderName and HeaderValue are the MSP's own HTTP header, which is sent
	// with every request, including the token call. No header is sent if the
	// name is empty. See [CheckHeader]. The value is a secret.
	HeaderName, HeaderValue string
	// Scope holds the scopes to request, separated by spaces. The default is
	// "read:customers".
	Scope string

	// Transport sends the requests. Redirects are never followed, regardless of
	// the transport. By default, each API has its own NewTransport(nil).
	Transport http.RoundTripper
	// Gate is called before each HTTP attempt, including token calls, and
	// blocks until the attempt may start. It must return when its context is
	// done. If it returns an error, the call ends, and the call's error wraps
	// it. Gate must be safe for concurrent use. If an idle connection turns out
	// to be closed, net/http repeats a GET once without calling Gate or
	// Observe. By default, no attempt waits.
	Gate func(context.Context) error
	// Observe is called after each HTTP attempt. It must be safe for concurrent
	// use. It may be nil.
	Observe func(Attempt)
	// Trace is called before each HTTP attempt. The caller calls the returned function when
	// the attempt ends, with status 0 if there was no response. Trace must be safe for
	// concurrent use. It may be nil.
	Trace func(ctx context.Context, route string) (end func(status int, err error))

	// Memory is the budget for large answers. Several handles can share a budget and then
	// together use no more than it permits. By default, each API has its own budget.
	Memory *bulkhead.Memory
	// Owner is the party whose part of Memory the answers use, usually a tenant of
	// the caller.
	Owner string

	// Limits bound each call.
	Limits
	// UserAgent is the User-Agent header of all requests. The default is
	// "halosync".
	UserAgent string
}

// Limits bounds the duration and size of an [API]'s calls.
type Limits struct {
	// AttemptTimeout bounds one attempt, from dialling to the last byte of the
	// body. The default is 30 s.
	AttemptTimeout time.Duration
	// RetryBudget bounds the time from the first failed attempt of a call to the start of
	// its last attempt. The default is 20 s.
	RetryBudget time.Duration
	// MaxWait is the longest time that a throttled call waits before a retry.
	// If Halo requests a longer wait, the call fails at once and its error
	// carries the wait; see [RetryAfter]. The default is 5 s.
	MaxWait time.Duration
	// MaxBody bounds a response body in bytes, after decompression. The default
	// is 32 MiB.
	MaxBody int64
}

// Attempt describes one HTTP attempt for metrics. It holds no secret, no id
// and no host.
type Attempt struct {
	Sent     time.Time     // start of the attempt
	Route    string        // method and template of the path, e.g. "GET /Client/{id}"
	Status   int           // 0: no response
	Duration time.Duration // from dialling to the last byte, without the wait in Gate
	Bytes    int64         // size of the body, after decompression
	Err      error         // nil: the response was accepted
	Try      int           // counts from 1 in each call
}

// withDefaults fills in defaults for empty fields.
func (c Config) withDefaults() Config {
	if c.Scope == "" {
		c.Scope = "read:customers"
	}
	if c.Transport == nil {
		c.Transport = NewTransport(nil)
	}
	if c.Memory == nil {
		c.Memory = bulkhead.NewMemory(bulkhead.DefaultMemory)
	}
	if c.Gate == nil {
		c.Gate = func(context.Context) error { return nil }
	}
	if c.Observe == nil {
		c.Observe = func(Attempt) {}
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = 30 * time.Second
	}
	if c.RetryBudget == 0 {
		c.RetryBudget = 20 * time.Second
	}
	if c.MaxWait == 0 {
		c.MaxWait = 5 * time.Second
	}
	if c.MaxBody == 0 {
		c.MaxBody = 32 << 20
	}
	if c.UserAgent == "" {
		c.UserAgent = "halosync"
	}
	return c
}

// check returns an error that lists all faults of the configuration.
func (c Config) check() error {
	var faults []error
	for _, server := range []struct{ name, address string }{
		{"resource server", c.ResourceServer}, {"authorisation server", c.AuthServer},
	} {
		if err := checkBase(server.address); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", server.name, err))
		}
	}
	if c.ClientID == "" {
		faults = append(faults, errors.New("client ID is missing"))
	}
	if c.ClientSecret == "" {
		faults = append(faults, errors.New("client secret is missing"))
	}
	if c.HeaderName != "" || c.HeaderValue != "" {
		if err := CheckHeader(c.HeaderName, c.HeaderValue); err != nil {
			faults = append(faults, err)
		}
	}
	if c.AttemptTimeout < 0 || c.RetryBudget < 0 || c.MaxWait < 0 || c.MaxBody < 0 {
		faults = append(faults, errors.New("negative limit"))
	}
	return errors.Join(faults...)
}

// checkBase checks the form of a base URL. [ParseResourceServer] and the
// transport check whether its host is allowed.
func checkBase(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("not an http or https URL")
	case u.User != nil || strings.ContainsAny(address, "?#"):
		return errors.New("URL with user, query or fragment")
	case strings.HasSuffix(address, "/"):
		return errors.New("URL with a trailing slash")
	}
	return nil
}

// shown holds the fields of a Config that may be printed.
type shown struct {
	ResourceServer, AuthServer, Tenant, ClientID, ClientSecret, Scope, HeaderName, HeaderValue string
}

func (c Config) shown() shown {
	return shown{
		c.ResourceServer, c.AuthServer, c.Tenant, c.ClientID, hide(c.ClientSecret), c.Scope, c.HeaderName, hide(c.HeaderValue),
	}
}

// hide replaces a secret, unless it is empty.
func hide(secret string) string {
	if secret == "" {
		return ""
	}
	return hidden
}

// String describes the configuration without its secrets.
func (c Config) String() string { return fmt.Sprintf("%+v", c.shown()) }

// GoString describes the configuration without its secrets.
func (c Config) GoString() string { return "halo.Config" + c.String() }

// Format prints the configuration without its secrets, regardless of the verb.
func (c Config) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, c.GoString())
		return
	}
	_, _ = io.WriteString(f, c.String())
}

// MarshalJSON encodes the configuration without its secrets.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.shown()) }

// LogValue describes the configuration to slog without its secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
