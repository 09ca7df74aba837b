package tasks

import "github.com/halosync/halosync/internal/devstack/redistest"

// RedisURL returns the URL of the test binary's Redis, for the examples.
func RedisURL() string { return redistest.Zero() }
