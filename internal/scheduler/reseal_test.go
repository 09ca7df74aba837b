package scheduler

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// What is under older keys is sealed anew and counted once; what does not
// open, and keys that are not there, are told of once.
func TestKeyWatch(t *testing.T) {
	t.Parallel()
	w := newFleet(t)
	old, err := secret.New()
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := secret.Rotate(old)
	if err != nil {
		t.Fatal(err)
	}
	before, after := repotest.OpenKeyed(t, w.url, old), repotest.OpenKeyed(t, w.url, rotated)
	const n = resealAtOnce*resealBatches + 7 // two ticks
	for i := range n {
		if _, err := before.AddConnection(t.Context(), "acme", "ann", repo.NewConnection{
			Name: strconv.Itoa(i), Domain: "https://h", AuthServer: "https://h", ClientID: "x", Secret: secret.NewString("s"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	w.connect("acme", "under another set")
	repotest.Exec(t, w.url, `update halosync.connections set secret_sealed = set_byte(secret_sealed, 20, 255 - get_byte(secret_sealed, 20)) where name = '3'`)

	core, logs := observer.New(zap.InfoLevel)
	watch := resealer{store: after, log: zap.New(core)}
	now := time.Now()
	for range 5 {
		for range 3 { // ticks
			if err := watch.look(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(tickEvery)
		}
		now = now.Add(keysEvery)
	}
	var said []string
	for _, entry := range logs.All() {
		said = append(said, entry.Message)
	}
	text := strings.Join(said, "\n")
	if len(said) != 3 || !strings.Contains(text, "not in this worker's key set") || !strings.Contains(text, "do not open, and stay") || !strings.Contains(text, "sealed anew") {
		t.Errorf("the log says:\n%s", text)
	}
	if sealed := logs.FilterField(zap.Int("credentials", n-1)).Len(); sealed != 1 {
		t.Errorf("the count is not %d: %v", n-1, logs.All())
	}
	if watch.locked != 1 {
		t.Errorf("%d credentials are locked, want that of the other set", watch.locked)
	}
	uses, err := after.KeyUses(t.Context())
	if err != nil || uses[0].Secrets != 1 || uses[1].Secrets != n-1 {
		t.Errorf("afterwards: %+v, %v", uses, err)
	}
}
