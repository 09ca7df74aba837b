// Package devstack runs private development servers for the demo, the tests and
// the benchmarks: Postgres, Redis and a headless browser for tests of pages. It
// runs the installed server programs, each in its own temporary folder. They
// share nothing with other servers on the machine.
//
// Each server runs under a small shell that holds one end of a pipe. When the
// program that started the server ends in any way, including kill -9, the pipe
// closes. The shell then stops the server and removes its folder. No servers
// or files are left behind.
package devstack
