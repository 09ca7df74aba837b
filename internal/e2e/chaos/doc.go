// Package chaos holds the test that breaks everything at once: real workers, a
// Postgres, a Redis and a simulated Halo, with random faults between them. Each
// run that a caller knows of must end as a model says, and the database must hold
// what the model says, each thing once.
//
// The package has only tests. "make test" runs a short form with every kind of
// fault, "make chaos" the long one; HALOSYNC_CHAOS_SEED=n repeats the episode of
// one seed.
package chaos
