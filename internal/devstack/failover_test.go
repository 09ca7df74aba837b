package devstack

import (
	"errors"
	"net"
	"os"
	"testing"
)

func TestSentinelPromotes(t *testing.T) {
	t.Parallel()
	s, err := StartSentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Promoted(t.Context()) {
		t.Error("promoted although the master is running")
	}
	if _, err := s.Master.Do(t.Context(), "SET", "k", "v"); err != nil {
		t.Error(err)
	}
	eventually(t, "replication", func() bool {
		v, err := s.Replica.Do(t.Context(), "GET", "k")
		return err == nil && v == "v"
	})
	if err := s.Master.Halt(); err != nil {
		t.Error(err)
	}
	eventually(t, "promotion", func() bool { return s.Promoted(t.Context()) })
	if v, err := s.Replica.Do(t.Context(), "GET", "k"); err != nil || v != "v" {
		t.Errorf("after the promotion: %q, %v", v, err)
	}
	goneAfterClose(t, s.Close, append(s.sentinels, s.Master, s.Replica))
}

func TestClusterPromotes(t *testing.T) {
	t.Parallel()
	c, err := StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const key = "asynq:{import}:t:1"
	keeper := c.Keeper(t.Context(), key)
	if keeper < 0 || keeper > 2 {
		t.Fatalf("%q is served by node %d", key, keeper)
	}
	if _, err := c.Nodes[keeper].Do(t.Context(), "SET", key, "v"); err != nil {
		t.Error(err)
	}
	eventually(t, "replication", func() bool {
		n, err := c.Nodes[keeper+3].Do(t.Context(), "DBSIZE")
		return err == nil && n == "1"
	})
	if err := c.Nodes[keeper].Halt(); err != nil {
		t.Error(err)
	}
	eventually(t, "promotion", func() bool { return c.Keeper(t.Context(), key) == keeper+3 })
	if v, err := c.Nodes[keeper+3].Do(t.Context(), "GET", key); err != nil || v != "v" {
		t.Errorf("after the promotion: %q, %v", v, err)
	}
	goneAfterClose(t, c.Close, c.Nodes)
}

func goneAfterClose(t *testing.T, stop func() error, servers []*Redis) {
	t.Helper()
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, s := range servers {
		if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder after Close: %v", err)
		}
		if conn, err := net.Dial("tcp", s.Addr()); err == nil {
			conn.Close()
			t.Errorf("%s answers after Close", s.Addr())
		}
	}
}
