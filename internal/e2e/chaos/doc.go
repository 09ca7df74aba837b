// Package chaos holds the test that breaks everything at once. Workers,
// Postgres, Redis and a simulated Halo run with random faults in them and
// between them. Each run that a caller knows must end as a model predicts. The
// database must match the model, without duplicates.
//
// The package has only tests. "make test" runs a short form with every kind of
// fault, and "make chaos" runs the long form. HALOSYNC_CHAOS_SEED=n repeats the
// episode of one seed.
package chaos
