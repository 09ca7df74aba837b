// Package e2e holds the tests that start whole programs: worker and enqueue as
// processes, driven by their command lines and the environment, with real servers
// and a simulated Halo. The folders below it have kits and tests of their own:
//
//   - installation: what each test starts
//   - journeys: a technician's ways through the console, in a browser
//   - runbook: nights in which things break, mended by docs/runbook.md alone
//   - chaos: random faults against a model
package e2e
