// Package installation installs halosync for a test: a database, a Redis
// database, a simulated Halo, a key set, and workers and commands as processes.
// At the test's end everything that the installation has left is searched for its
// secrets.
//
// Servers are shared by the tests of one binary and start at their first use; the
// programs are built once for the whole machine (see [devstack.Programs]). So a
// test costs what it tests, also when it runs alone.
package installation
