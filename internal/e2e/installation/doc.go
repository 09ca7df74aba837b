// Package installation installs halosync for a test: a database, a Redis
// database, a simulated Halo, a key set, and workers and commands as processes.
// At the test's end it searches everything that the installation has left behind
// for its secrets.
//
// The tests of one binary share the servers, which start at their first use; the
// programs are built once for the whole machine (see [devstack.Programs]). So a
// single test starts only what it needs.
package installation
