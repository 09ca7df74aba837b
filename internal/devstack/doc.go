// Package devstack runs private development servers: a Postgres and a Redis
// in temporary folders of their own, for the demo, the tests and the
// benchmarks; and for tests of pages a browser without a window. They are the real servers, found on the machine; nothing is
// shared with a server that happens to run already.
//
// Each server runs under a small shell that holds one end of a pipe. When the
// program that started it ends, in whatever way (kill -9 included), the pipe
// closes, the shell stops the server and removes its folder. So nothing is
// left running and nothing is left on disk.
package devstack
