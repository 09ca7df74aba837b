// Package devstack runs private development servers for the demo, the tests and
// the benchmarks: Postgres and Redis, and a headless browser for tests of pages.
// Each has its own temporary folder. They are the real servers, found on the
// machine; nothing is shared with a server that already runs there.
//
// Each server runs under a small shell that holds one end of a pipe. When the
// program that started it ends in any way, kill -9 included, the pipe closes, the
// shell stops the server and removes its folder. So nothing is left running and
// nothing is left on disk.
package devstack
