// Package installation installs halosync for a test: a database, a Redis
// database, a simulated Halo, a key set, and workers and commands as processes.
// At the end of the test, it searches everything that the installation has left
// behind for secrets.
//
// The tests in one binary share the servers, which start at first use, so a
// single test starts only the servers that it needs. The programs are built
// once for the whole machine (see [devstack.Programs]).
package installation
