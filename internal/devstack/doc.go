// Package devstack runs private development servers for the demo, the tests and
// the benchmarks: Postgres, Redis and a headless browser for tests of pages. It
// runs the server programs that are installed on the machine, each in its own
// temporary folder. They share nothing with servers that already run there.
//
// Each server runs under a small shell that holds one end of a pipe. When the
// program that started the server ends in any way, including kill -9, the pipe
// closes. The shell then stops the server and removes its folder. So no server
// keeps running and no files are left on disk.
package devstack
