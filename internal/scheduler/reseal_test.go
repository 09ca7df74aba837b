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

// Credentials under older keys are resealed and counted once. Missing keys and
// credentials that cannot be decrypted are logged once.
func TestReseal(t *testing.T) {
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
	const n = resealBatch*maxResealBatches + 7 // needs two ticks
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
	resealer := resealer{store: after, log: zap.New(core)}
	now := time.Now()
	for range 5 {
		for range 3 { // ticks
			if err := resealer.tick(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(tickEvery)
		}
		now = now.Add(keysEvery)
	}
	var messages []string
	for _, entry := range logs.All() {
		messages = append(messages, entry.Message)
	}
	text := strings.Join(messages, "\n")
	if len(messages) != 3 || !strings.Contains(text, "not in this worker's key set") || !strings.Contains(text, "cannot be decrypted, left unchanged") || !strings.Contains(text, "resealed with") {
		t.Errorf("the log says:\n%s", text)
	}
	if sealed := logs.FilterField(zap.Int("credentials", n-1)).Len(); sealed != 1 {
		t.Errorf("no log entry with %d credentials: %v", n-1, logs.All())
	}
	if resealer.locked != 1 {
		t.Errorf("%d credentials are locked; want 1, the one sealed with a key from another key set", resealer.locked)
	}
	uses, err := after.KeyUses(t.Context())
	if err != nil || uses[0].Secrets != 1 || uses[1].Secrets != n-1 {
		t.Errorf("afterwards: %+v, %v", uses, err)
	}
}
