// Package e2e holds the tests that run whole programs. Worker and enqueue are
// processes, controlled by their command lines and environment, with real
// servers and a simulated Halo. The subfolders have their own kits and tests:
//
//   - installation: the installation that each test starts
//   - journeys: a technician's ways through the console, in a browser
//   - runbook: faults, repaired with docs/runbook.md alone
//   - chaos: random faults against a model
package e2e
