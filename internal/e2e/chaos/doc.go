// Package chaos tests halosync under many simultaneous faults. Workers,
// Postgres, Redis, a simulated Halo and the connections between them fail at
// random. Each acknowledged run must end as a model predicts. The database
// must match the model and contain no duplicates.
//
// The package has only tests. "make test" runs a short form with every kind of
// fault, and "make chaos" runs the long form. HALOSYNC_CHAOS_SEED=n repeats the
// episode of one seed.
package chaos
