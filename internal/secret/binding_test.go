package secret

import (
	"errors"
	"testing"
)

// A value opens only if every part of its binding is the same, including the boundaries
// between the parts.
func TestBinding(t *testing.T) {
	t.Parallel()
	k := testKeyset(t)
	b := Binding{
		Tenant: "acme", Connection: "id", AuthServer: "https://h/auth", Domain: "https://h/api",
		ClientID: "app", HaloTenant: "t", HeaderName: "X-Key",
	}
	client, header := seal(t, k, b.ClientSecret()...), seal(t, k, b.HeaderValue()...)
	for what, change := range map[string]func(*Binding){
		"tenant": func(b *Binding) { b.Tenant = "globex" }, "connection": func(b *Binding) { b.Connection = "other" },
		"authorisation server": func(b *Binding) { b.AuthServer = "https://x/auth" }, "domain": func(b *Binding) { b.Domain = "https://x/api" },
		"client ID": func(b *Binding) { b.ClientID = "other" }, "Halo tenant": func(b *Binding) { b.HaloTenant = "" },
		"addresses swapped": func(b *Binding) { b.AuthServer, b.Domain = b.Domain, b.AuthServer },
		"boundary moved":    func(b *Binding) { b.ClientID, b.HaloTenant = "ap", "pt" },
		"spelling":          func(b *Binding) { b.Domain += "/" }, "case": func(b *Binding) { b.AuthServer = "https://H/auth" },
	} {
		other := b
		change(&other)
		if _, err := k.Open(client, other.ClientSecret()...); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: client secret: %v", what, err)
		}
		if _, err := k.Open(header, other.HeaderValue()...); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: header value: %v", what, err)
		}
	}
	renamed := b
	renamed.HeaderName = "X-Other"
	if _, err := k.Open(header, renamed.HeaderValue()...); !errors.Is(err, ErrOpen) {
		t.Errorf("header of another name: %v", err)
	}
	if got, err := k.Open(client, renamed.ClientSecret()...); err != nil || got.Reveal() != plain {
		t.Errorf("the client secret is bound to the header: %v", err)
	}
	if _, err := k.Open(header, b.ClientSecret()...); !errors.Is(err, ErrOpen) {
		t.Errorf("header value as client secret: %v", err)
	}
	if _, err := k.Open(client, "acme", "id", "connections.secret_sealed"); !errors.Is(err, ErrOpen) {
		t.Errorf("bound to the row alone: %v", err)
	}
}
