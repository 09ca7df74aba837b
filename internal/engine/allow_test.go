package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/engine/enginetest"
)

// If a host is removed from HALOSYNC_ALLOW_HOSTS, it is no longer called over plain
// HTTP, even if its connection was stored earlier.
func TestStoredAddressIsCheckedAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1)
	engine := func(list ...string) *enginetest.Worker {
		allow, err := halo.ParseAllow(list)
		if err != nil {
			t.Fatal(err)
		}
		return enginetest.New(enginetest.Config{Store: w.store, Allow: allow})
	}
	in := w.input("main")
	in.Domain = strings.Replace(in.Domain, "127.0.0.1", "localhost", 1)
	in.AuthServer = strings.Replace(in.AuthServer, "127.0.0.1", "localhost", 1)
	then := engine("localhost")
	if _, err := then.AddConnection(t.Context(), "t1", "test", in); err != nil {
		t.Fatal(err)
	}
	if _, err := then.TestConnection(t.Context(), "t1", "main"); err != nil {
		t.Error(err)
	}
	before := w.halo.Log().Requests
	for _, list := range [][]string{{"127.0.0.1"}, {"other.example"}, nil} {
		_, err := engine(list...).TestConnection(t.Context(), "t1", "main")
		if !errors.Is(err, halo.ErrRefused) {
			t.Errorf("%v: error %v", list, err)
		}
	}
	if n := w.halo.Log().Requests; before == 0 || n != before {
		t.Errorf("%d requests, %d before", n, before)
	}
}
