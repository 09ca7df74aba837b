package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// downAfter is the time in milliseconds without an answer after which a replica takes over.
// A shorter time causes spurious failovers on a loaded machine.
const downAfter = 1500

// MasterName is the name of the master of a [Sentinel].
const MasterName = "halosync"

// Sentinel is a Redis server with a replica. Three sentinels watch the server
// and promote the replica when it dies.
type Sentinel struct {
	Master, Replica *Redis // roles at the start
	sentinels       []*Redis
}

// StartSentinel starts all five processes. When it returns, the replica is
// synchronised and the sentinels have discovered it and each other.
func StartSentinel(ctx context.Context) (_ *Sentinel, err error) {
	s := &Sentinel{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("private sentinel: %w", err), s.Close())
		}
	}()
	if s.Master, err = StartRedis(ctx, RedisOptions{Config: replicated}); err != nil {
		return nil, err
	}
	port := strconv.Itoa(s.Master.port)
	if s.Replica, err = StartRedis(ctx, RedisOptions{Config: append([]string{"replicaof 127.0.0.1 " + port}, replicated...)}); err != nil {
		return nil, err
	}
	for range 3 {
		one, err := startRedis(ctx, func(dir string, own int) (string, error) {
			return fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor %[3]s 127.0.0.1 %s 2\n"+
				"sentinel down-after-milliseconds %[3]s %[5]d\nsentinel failover-timeout %[3]s 6000\n", own, dir, MasterName, port, downAfter), nil
		}, "--sentinel")
		if err != nil {
			return nil, err
		}
		s.sentinels = append(s.sentinels, one)
	}
	for _, one := range s.sentinels {
		if err := one.await(ctx, func(ctx context.Context) error {
			state, err := one.Do(ctx, "SENTINEL", "MASTER", MasterName)
			if err == nil && (!strings.Contains(state, "num-slaves\n1\n") || !strings.Contains(state, "num-other-sentinels\n2\n")) {
				err = errors.New("the sentinel has not discovered the others")
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	return s, s.Replica.await(ctx, s.Replica.inStep)
}

// The settings in replicated make a server send its data to a replica at once. By default,
// the server waits a few seconds for more replicas.
var replicated = []string{"repl-diskless-sync yes", "repl-diskless-sync-delay 0"}

// inStep returns an error unless a replica is synchronised with its master.
func (r *Redis) inStep(ctx context.Context) error {
	state, err := r.Do(ctx, "INFO", "replication")
	if err == nil && !strings.Contains(state, "master_link_status:up") {
		err = errors.New("the replica has no master yet")
	}
	return err
}

// Promoted reports whether the replica is now the master.
func (s *Sentinel) Promoted(ctx context.Context) bool {
	state, err := s.Replica.Do(ctx, "INFO", "replication")
	return err == nil && strings.Contains(state, "role:master")
}

// URL returns the address of database 0 in the form of REDIS_URL.
func (s *Sentinel) URL() string {
	return "redis-sentinel://" + addrs(s.sentinels) + "/0?master=" + MasterName
}

// Close stops all processes and removes their folders.
func (s *Sentinel) Close() error {
	return closeAll(append(s.sentinels, s.Replica, s.Master))
}

// Cluster is a Redis Cluster of three masters, each with a replica.
type Cluster struct {
	Nodes []*Redis // the first three were masters at the start
}

// StartCluster starts all six processes. When it returns, every slot is served
// and every replica is synchronised.
func StartCluster(ctx context.Context) (_ *Cluster, err error) {
	c := &Cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("private cluster: %w", err), c.Close())
		}
	}()
	const masters = 3
	var buses []string
	for range 2 * masters {
		bus := 0
		node, err := startRedis(ctx, func(dir string, port int) (_ string, err error) {
			// The default bus port is the port plus 10,000, which may exceed
			// 65,535.
			bus, err = freePort(ctx)
			return redisConf(dir, port, RedisOptions{Config: append([]string{
				"cluster-enabled yes", "cluster-port " + strconv.Itoa(bus), fmt.Sprintf("cluster-node-timeout %d", downAfter),
				"cluster-replica-validity-factor 0",
			}, replicated...)}), err
		})
		if err != nil {
			return nil, err
		}
		c.Nodes, buses = append(c.Nodes, node), append(buses, strconv.Itoa(bus))
	}
	first := c.Nodes[0]
	for i, node := range c.Nodes {
		// Nodes with equal epochs would first have to resolve the conflict.
		if _, err := node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return nil, err
		}
		if i < masters {
			from, to := i*slots/masters, (i+1)*slots/masters-1
			if _, err := node.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(from), strconv.Itoa(to)); err != nil {
				return nil, err
			}
		}
		if i > 0 {
			if _, err := first.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(node.port), buses[i]); err != nil {
				return nil, err
			}
		}
	}
	for i, node := range c.Nodes[masters:] {
		id, err := c.Nodes[i].Do(ctx, "CLUSTER", "MYID")
		if err != nil {
			return nil, err
		}
		// The replica must first have discovered its master.
		if err := node.await(ctx, func(ctx context.Context) error {
			_, err := node.Do(ctx, "CLUSTER", "REPLICATE", id)
			return err
		}); err != nil {
			return nil, err
		}
	}
	for i, node := range c.Nodes {
		if err := node.await(ctx, func(ctx context.Context) error {
			state, err := node.Do(ctx, "CLUSTER", "INFO")
			if err == nil && !strings.Contains(state, "cluster_state:ok") {
				err = errors.New("the cluster is not complete yet")
			}
			if err == nil && i >= masters {
				err = node.inStep(ctx)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// slots is the number of hash slots in a cluster.
const slots = 16384

// Keeper returns the index of the node that serves a key, or -1 if no node
// serves the key.
func (c *Cluster) Keeper(ctx context.Context, key string) int {
	for i, node := range c.Nodes {
		// The other nodes answer with a redirect.
		if _, err := node.Do(ctx, "EXISTS", key); err == nil {
			return i
		}
	}
	return -1
}

// URL returns the address of the cluster in the form of REDIS_URL.
func (c *Cluster) URL() string { return "redis-cluster://" + addrs(c.Nodes) }

// Close stops all nodes and removes their folders.
func (c *Cluster) Close() error { return closeAll(c.Nodes) }

func addrs(servers []*Redis) string {
	var all []string
	for _, s := range servers {
		all = append(all, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
	}
	return strings.Join(all, ",")
}

func closeAll(servers []*Redis) error {
	var errs []error
	for _, s := range servers {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
