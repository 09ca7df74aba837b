package engine_test

import (
	"errors"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
)

// A user who changes an address without entering the secret cannot have the secret or a
// token sent to the new address.
func TestStoredSecretStaysWithItsAddress(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	conn := w.connect("t1", "c")
	thief := halotest.Start(t)
	thief.Tenant("").App(testApp, testSecret)
	thief.Tenant("").Seed(5, 7)
	domain, auth := thief.ResourceServer(), thief.AuthServer()
	for what, change := range map[string]engine.ConnectionChange{
		"both": {Domain: &domain, AuthServer: &auth}, "authorisation server": {AuthServer: &auth}, "domain": {Domain: &domain},
	} {
		_, _, err := w.engine.UpdateConnection(t.Context(), "t1", "eve", "c", change)
		if !errors.As(err, new(*engine.UsageError)) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	if n := thief.Log().Requests; n != 0 {
		t.Errorf("%d requests reached the other server", n)
	}
	if same, err := w.store.Connection(t.Context(), "t1", conn.ID); err != nil || same.Domain != conn.Domain || same.AuthServer != conn.AuthServer {
		t.Errorf("stored %+v, %v", same, err)
	}

	value := secret.NewString(testSecret)
	if _, _, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{Domain: &domain, AuthServer: &auth, Secret: &value}); err != nil {
		t.Errorf("with the secret: %v", err)
	}
	// Different spellings of an address count as the same address.
	slash := domain + "/"
	if _, _, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{Domain: &slash}); err != nil {
		t.Errorf("the same address: %v", err)
	}
}
