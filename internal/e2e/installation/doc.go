// Package installation sets up halosync for a test, with a database, a Redis
// database, a simulated Halo and a key set. Workers and commands run as
// processes. At the end of the test, the package searches all logs, output and
// stored data for secrets.
//
// The tests in one binary share the servers. A server starts when a test first
// needs it. The programs are built once for the whole machine (see
// [devstack.Programs]).
package installation
