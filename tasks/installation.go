package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// installationKey is the key that holds the id of the installation that owns the Redis.
// asynq's keys have no prefix of their own, so two installations in one Redis would take
// each other's tasks.
const installationKey = "halosync:installation"

// OtherInstallationError means that Redis belongs to another installation.
type OtherInstallationError struct {
	Own, Owner string // ids of this installation and of the other one
	Cluster    bool   // Redis is a Cluster, which has only one database
}

func (e *OtherInstallationError) Error() string {
	other, empty := "another Redis or another database number, such as redis://HOST:6379/1", "FLUSHDB"
	if e.Cluster {
		other, empty = "another Redis Cluster, because a Cluster has only one database", "FLUSHALL on each master"
	}
	return fmt.Sprintf("this Redis belongs to another installation of halosync (%s; this one is %s), and they would take each other's tasks:"+
		" set REDIS_URL to %s; if the other installation no longer exists, empty this Redis with %s", excerpt([]byte(e.Owner), 40), e.Own, other, empty)
}

// Claim claims Redis for an installation, unless Redis already belongs to one. If it
// belongs to another installation, Claim returns an [*OtherInstallationError]. If several
// installations claim an empty Redis at once, one of them gets it. After Redis has lost its
// data, the first installation to claim Redis again gets it.
func (c *Client) Claim(ctx context.Context, id string) error {
	err := checkInstallation(ctx, c.rdb, id)
	if !errors.Is(err, redis.Nil) {
		return err
	}
	if err := c.rdb.SetNX(ctx, installationKey, id, 0).Err(); err != nil {
		return fmt.Errorf("installation: %w", err)
	}
	return checkInstallation(ctx, c.rdb, id)
}

// CheckInstallation returns an [*OtherInstallationError] if Redis belongs to another
// installation. It changes nothing.
func (s *Server) CheckInstallation(ctx context.Context, id string) error {
	err := checkInstallation(ctx, s.rdb, id)
	if errors.Is(err, redis.Nil) { // no installation has claimed this Redis yet
		return nil
	}
	return err
}

// checkInstallation returns an error that wraps [redis.Nil] if Redis belongs to no
// installation.
func checkInstallation(ctx context.Context, rdb redis.UniversalClient, id string) error {
	owner, err := rdb.Get(ctx, installationKey).Result()
	if err != nil {
		return fmt.Errorf("installation: %w", err)
	}
	if owner == id {
		return nil
	}
	_, cluster := rdb.(*redis.ClusterClient)
	return &OtherInstallationError{Own: id, Owner: owner, Cluster: cluster}
}
