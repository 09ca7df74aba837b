// Package chaos holds the test that breaks everything at once: real workers,
// a Postgres, a Redis and a simulated Halo of their own, and between them
// faults that a seed draws. Whatever happens, each run that somebody was told
// of must end as a model says, and the database must hold what the model says,
// each thing once.
//
// There is no code but tests here. "make test" runs a short form with every
// kind of fault, "make chaos" the long one; HALOSYNC_CHAOS_SEED=n repeats the
// episode of one seed.
package chaos
