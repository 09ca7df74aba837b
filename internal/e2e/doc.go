// Package e2e holds the tests that start whole programs: worker and enqueue as
// processes, driven by their command lines and the environment, with real servers
// and a simulated Halo. The folders below it have their own kits and tests:
//
//   - installation: what each test starts
//   - journeys: a technician's ways through the console, in a browser
//   - runbook: faults, repaired with docs/runbook.md alone
//   - chaos: random faults against a model
package e2e
