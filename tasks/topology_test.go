package tasks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/devstack"
)

// roundTrip requests an import, executes the run and waits for the result.
func roundTrip(t *testing.T, url string) {
	t.Helper()
	c := openClient(t, url)
	s := openServer(t, url, ServerConfig{})
	Handle(s, Import(), func(_ context.Context, job Job[ImportArgs]) (RunResult, error) {
		return RunResult{RunID: job.RunID, State: "succeeded"}, nil
	})
	start(t, s)
	r := mustImport(t, c, validImport())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if result, err := c.Wait(ctx, r.RunID); err != nil || result.RunID != r.RunID {
		t.Errorf("result = %+v, %v", result, err)
	}
	if again := mustImport(t, c, validImport()); again.Existing {
		t.Errorf("after the end: %+v", again)
	}
}

// A cluster rejects a command whose keys span several slots, even if one node holds all
// slots.
func TestCluster(t *testing.T) {
	t.Parallel()
	node, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{Config: []string{"cluster-enabled yes"}})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, node)
	plain := connect(t, node.URL())
	if err := plain.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "cluster", func() bool {
		return strings.Contains(plain.Do(t.Context(), "CLUSTER", "INFO").String(), "cluster_state:ok")
	})
	roundTrip(t, "redis-cluster://"+node.Addr())
}

// After a master dies, the client finds the new master of its slots.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	cluster, err := devstack.StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, cluster)
	c := openClient(t, cluster.URL())
	first := mustImport(t, c, validImport())

	const queue = "asynq:{import}:pending"
	dies := cluster.Keeper(t.Context(), queue)
	if err := cluster.Nodes[dies].Halt(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "promotion", func() bool { keeper := cluster.Keeper(t.Context(), queue); return keeper >= 0 && keeper != dies })
	eventually(t, "the client finds the new master", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.Status(ctx, first.RunID)
		return err == nil || errors.Is(err, ErrUnknownRun) // the request may not have reached the replica
	})
}

// The URL's user and password are for the Redis servers. The same URL also works with a
// sentinel that has no password.
func TestSentinel(t *testing.T) {
	t.Parallel()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not on the path")
	}
	master, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, master)
	if err := connect(t, master.URL()).ConfigSet(t.Context(), "requirepass", "open-sesame").Err(); err != nil {
		t.Fatal(err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sentinel := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(sentinel)
	host, masterPort, _ := net.SplitHostPort(master.Addr())
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor main %s %s 1\nsentinel auth-pass main open-sesame\n", port, host, masterPort)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // an error is expected, because it was killed
	})
	url := "redis-sentinel://:open-sesame@" + sentinel + "/2?master=main"
	eventually(t, "sentinel", func() bool { return openClient(t, url).Ping(t.Context()) == nil })
	roundTrip(t, url)
}
