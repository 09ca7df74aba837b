package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// downAfter is how long a server must be silent, in milliseconds, before its
// deputy takes over. Less, and a loaded machine shows failovers that nobody
// asked for.
const downAfter = 1500

// MasterName is what the sentinels of a [Sentinel] call their master.
const MasterName = "halosync"

// Sentinel is a Redis server with a replica, watched by three sentinels that
// put the replica in its place when it dies.
type Sentinel struct {
	Master, Replica *Redis // what they were at the start
	sentinels       []*Redis
}

// StartSentinel starts all five processes. When it returns, the replica is in
// step and the sentinels know of it and of each other.
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
				err = errors.New("it does not know the others yet")
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	return s, s.Replica.await(ctx, s.Replica.inStep)
}

// replicated spares a replica the seconds that a server waits for others to
// join before it sends its data.
var replicated = []string{"repl-diskless-sync yes", "repl-diskless-sync-delay 0"}

// inStep says whether a replica has what its master has.
func (r *Redis) inStep(ctx context.Context) error {
	state, err := r.Do(ctx, "INFO", "replication")
	if err == nil && !strings.Contains(state, "master_link_status:up") {
		err = errors.New("it has no master yet")
	}
	return err
}

// Promoted says whether the replica is the master now.
func (s *Sentinel) Promoted(ctx context.Context) bool {
	state, err := s.Replica.Do(ctx, "INFO", "replication")
	return err == nil && strings.Contains(state, "role:master")
}

// URL addresses database 0 in halosync's way.
func (s *Sentinel) URL() string {
	return "redis-sentinel://" + addrs(s.sentinels) + "/0?master=" + MasterName
}

// Close stops all processes and removes their folders.
func (s *Sentinel) Close() error {
	return closeAll(append(s.sentinels, s.Replica, s.Master))
}

// Cluster is a Redis Cluster of three masters with a replica each.
type Cluster struct {
	Nodes []*Redis // the first three were masters at the start
}

// StartCluster starts all six processes. When it returns, every slot is served
// and every replica is in step.
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
			// By default it is the port plus 10,000, which may not be a port.
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
		// Nodes that meet with the same epoch would have to settle that first.
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
		// It has to have heard of its master first.
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

// slots is the number of a cluster's hash slots.
const slots = 16384

// Keeper is the index of the node that serves a key, or -1 while nobody does.
func (c *Cluster) Keeper(ctx context.Context, key string) int {
	for i, node := range c.Nodes {
		// The others send us on.
		if _, err := node.Do(ctx, "EXISTS", key); err == nil {
			return i
		}
	}
	return -1
}

// URL addresses the cluster in halosync's way.
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
