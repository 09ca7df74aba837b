package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// ConnectionInput is a set of Halo credentials as a person enters them.
type ConnectionInput struct {
	Name       string
	Domain     string // resource server as host, host/path or URL
	AuthServer string // authorisation server in the same form
	HaloTenant string // hosted Halo only
	ClientID   string
	Secret     secret.String
	RateLimit  string // e.g. "300/5m"; empty for the default
	// HeaderName and HeaderValue are the MSP's own HTTP header, which is sent with every
	// request. Both are empty if there is no such header.
	HeaderName  string
	HeaderValue secret.String
}

// AddConnection normalises the addresses and verifies that the credentials can read
// clients. Only then does it encrypt and store the credentials. It returns a
// [*UsageError] for missing or invalid input and a [*ProbeError] if the test against
// Halo fails.
func (e *Engine) AddConnection(ctx context.Context, tenant, actor string, in ConnectionInput) (repo.Connection, error) {
	in, authServers, err := e.normalise(in)
	if err != nil {
		return repo.Connection{}, err
	}
	// Refuse a name that is already in use before calling Halo. The database checks
	// the name again, because another request may have taken it in the meantime.
	if _, err := e.store.FindConnection(ctx, tenant, in.Name); err == nil {
		return repo.Connection{}, conflictf("a connection named %q already exists; change it with \"enqueue connection update\"", in.Name)
	} else if !errors.Is(err, repo.ErrNotFound) {
		return repo.Connection{}, err
	}
	if in.AuthServer, err = e.probe(ctx, tenant, in, authServers); err != nil {
		return repo.Connection{}, err
	}
	conn, err := e.store.AddConnection(ctx, tenant, actor, repo.NewConnection{
		Name: in.Name, Domain: in.Domain, AuthServer: in.AuthServer, HaloTenant: in.HaloTenant,
		ClientID: in.ClientID, Secret: in.Secret, RateLimit: in.RateLimit,
		HeaderName: in.HeaderName, HeaderValue: in.HeaderValue,
	})
	if errors.Is(err, repo.ErrConflict) {
		return conn, conflictf("a connection named %q already exists", in.Name)
	}
	return conn, err
}

// normalise checks an input and converts its addresses to the form in which they are
// stored. It also returns the possible addresses of the authorisation server, the most
// likely first. It reports all faults at once.
func (e *Engine) normalise(in ConnectionInput) (_ ConnectionInput, authServers []string, _ error) {
	var faults []string
	require := func(value *string, what string, maxBytes int) {
		*value = strings.TrimSpace(*value)
		switch {
		case *value == "":
			faults = append(faults, what+" is missing")
		case len(*value) > maxBytes:
			faults = append(faults, fmt.Sprintf("%s is longer than %d bytes", what, maxBytes))
		}
	}
	require(&in.Name, "the connection's name", 200)
	require(&in.ClientID, "the client ID", 200)
	in.HaloTenant = strings.TrimSpace(in.HaloTenant)
	if in.Secret.Reveal() == "" {
		faults = append(faults, "the client secret is missing")
	}
	if in.RateLimit = strings.TrimSpace(in.RateLimit); in.RateLimit != "" {
		if _, err := ratelimit.ParseRate(in.RateLimit); err != nil {
			faults = append(faults, "the rate limit: "+err.Error())
		}
	}
	in.HeaderName = strings.TrimSpace(in.HeaderName)
	in.HeaderValue = secret.NewString(strings.Trim(in.HeaderValue.Reveal(), " \t"))
	if in.HeaderName != "" || !in.HeaderValue.IsZero() {
		if err := halo.CheckHeader(in.HeaderName, in.HeaderValue.Reveal()); err != nil {
			faults = append(faults, err.Error())
		}
	}

	address := func(value *string, what string, parse func(string, *halo.Allow) (string, error)) {
		parsed, err := parse(*value, e.dial.Allow())
		if err == nil {
			*value = parsed
			return
		}
		fault := what + ": " + err.Error()
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(*value)), "http:") {
			fault += "; HALOSYNC_ALLOW_HOSTS lists the hosts for which it is allowed"
		}
		faults = append(faults, fault)
	}
	address(&in.Domain, "domain (resource server)", halo.ParseResourceServer)
	address(&in.AuthServer, "authorisation server", func(s string, allow *halo.Allow) (_ string, err error) {
		if authServers, err = halo.AuthServers(s, allow); err != nil {
			return "", err
		}
		return authServers[0], nil
	})
	if len(faults) > 0 {
		return in, nil, usagef("%s", strings.Join(faults, "; "))
	}
	return in, authServers, nil
}

// ErrNoClients means that Halo accepted the credentials but returned no clients. Every
// Halo has at least its "Unknown" client, so the agent lacks the right to read
// customers (Halo guide 1566).
var ErrNoClients = errors.New("the credentials were accepted, and Halo returned no clients")

// A ProbeError reports that a test of credentials failed.
type ProbeError struct {
	Step   string // "token" or "clients"
	Stored bool   // the tested credentials belong to a stored connection
	err    error
	tried  []string // addresses of the token call, if there were several
}

func (e *ProbeError) Error() string {
	text := "test of the connection (" + e.Step + "): " + e.err.Error()
	if len(e.tried) > 0 {
		text += "; none of these addresses issues a token: " + strings.Join(e.tried, ", ")
	}
	return text
}

// Unwrap returns the error of package halo, or [ErrNoClients].
func (e *ProbeError) Unwrap() error { return e.err }

// probe requests a token and one client. It stores nothing. It tries the given addresses of
// the authorisation server in turn, until one answers as an authorisation server does, and
// returns that address.
func (e *Engine) probe(ctx context.Context, tenant string, in ConnectionInput, authServers []string) (string, error) {
	var failed error
	var tried []string
	for _, in.AuthServer = range authServers {
		err := e.probeOne(ctx, tenant, in)
		switch {
		case err == nil:
			return in.AuthServer, nil
		// Report the most informative error: a definite answer, if any, or else a
		// refusal. The result for an address without an authorisation server is the least
		// informative.
		case failed == nil, !halo.IsMisplaced(err) && !errors.Is(err, halo.ErrUnavailable),
			errors.Is(failed, halo.ErrNotHalo) && !errors.Is(err, halo.ErrNotHalo):
			failed = err
		}
		if !halo.IsMisplaced(err) {
			return "", failed
		}
		tried = append(tried, halo.TokenURL(in.AuthServer))
	}
	if probe, ok := errors.AsType[*ProbeError](failed); ok && len(tried) > 1 {
		probe.tried = tried
	}
	return "", failed
}

// probeOne is [Engine.probe] with one address of the authorisation server.
func (e *Engine) probeOne(ctx context.Context, tenant string, in ConnectionInput) error {
	api, err := e.dial.API(dial.Credentials{
		Domain: in.Domain, AuthServer: in.AuthServer, HaloTenant: in.HaloTenant,
		ClientID: in.ClientID, Secret: in.Secret, RateLimit: in.RateLimit,
		HeaderName: in.HeaderName, HeaderValue: in.HeaderValue,
		Tenant: tenant, TestedBy: tenant,
	}, ratelimit.Interactive)
	if err != nil {
		return err
	}
	return probe(ctx, api)
}

func probe(ctx context.Context, api *halo.API) error {
	page, err := api.Page(ctx, halo.Query{IncludeInactive: true, PageSize: 1}, 1)
	if err != nil {
		return &ProbeError{Step: probeStep(err), err: err}
	}
	if page.Rows == 0 {
		return &ProbeError{Step: "clients", err: ErrNoClients}
	}
	return nil
}

func probeStep(err error) string {
	if proof.IsTokenError(err) {
		return "token"
	}
	return "clients"
}

// TestConnection tests the credentials of a stored connection.
func (e *Engine) TestConnection(ctx context.Context, tenant, ref string) (repo.Connection, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	conn, api, err := e.dial.Open(ctx, tenant, conn.ID, ratelimit.Interactive)
	if err != nil {
		return conn, err
	}
	err = probe(ctx, api)
	if failed, ok := errors.AsType[*ProbeError](err); ok {
		failed.Stored = true
	}
	return conn, err
}
