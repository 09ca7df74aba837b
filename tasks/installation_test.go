package tasks

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/devstack"
)

// Each Redis belongs to one installation. If several claim it at once, one of them gets
// it, even after a flush and in a Cluster.
func TestClaim(t *testing.T) {
	t.Parallel()
	cluster, err := devstack.StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, cluster)
	for name, tt := range map[string]struct{ url, advice string }{
		"server":  {database(t), "redis://HOST:6379/1"},
		"cluster": {cluster.URL(), "another Redis Cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			const rivals, rounds = 8, 20
			clients := make([]*Client, rivals)
			for i := range clients {
				clients[i] = openClient(t, tt.url)
			}
			s := openServer(t, tt.url, ServerConfig{})
			for round := range rounds {
				if err := s.CheckInstallation(t.Context(), "any"); err != nil {
					t.Fatalf("an empty Redis: %v", err)
				}
				refused := make([]error, rivals)
				var all sync.WaitGroup
				for i, c := range clients {
					all.Go(func() { refused[i] = c.Claim(t.Context(), fmt.Sprintf("%d-%d", round, i/2)) }) // two programs of each installation
				}
				all.Wait()
				owner, err := clients[0].rdb.Get(t.Context(), installationKey).Result()
				if err != nil {
					t.Fatal(err)
				}
				for i, err := range refused {
					own := fmt.Sprintf("%d-%d", round, i/2)
					other, isOther := errors.AsType[*OtherInstallationError](err)
					switch {
					case own == owner && err == nil:
					case own != owner && isOther && other.Own == own && other.Owner == owner && strings.Contains(err.Error(), tt.advice):
					default:
						t.Errorf("%s belongs to %s, claim by %s: %v", name, owner, own, err)
					}
					if again := s.CheckInstallation(t.Context(), own); (again == nil) != (err == nil) {
						t.Errorf("check of %s: %v", own, again)
					}
				}
				if err := clients[0].rdb.Del(t.Context(), installationKey).Err(); err != nil { // as a flush does
					t.Fatal(err)
				}
			}
		})
	}
}

// The numbered databases of one server are separate. An outage is not reported as another
// installation.
func TestClaimIsPerDatabase(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"one", "two"} {
		if err := openClient(t, database(t)).Claim(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	err := openClient(t, "redis://127.0.0.1:1").Claim(t.Context(), "one")
	if _, other := errors.AsType[*OtherInstallationError](err); err == nil || other || errors.Is(err, redis.Nil) {
		t.Errorf("no server: %v", err)
	}
}
