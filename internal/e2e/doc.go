// Package e2e tests the programs as a whole. The programs worker and enqueue run as
// processes, controlled only by command lines and environment variables. The servers are
// real, and Halo is simulated. The subfolders are:
//
//   - installation: the installation that each test starts
//   - journeys: a technician's work in the console, in a browser
//   - runbook: faults that are repaired using only the commands in docs/runbook.md
//   - chaos: random faults, with the outcome checked against a model
package e2e
