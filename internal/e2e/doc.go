// Package e2e tests the whole programs. Worker and enqueue run as processes,
// controlled only by command lines and environment variables. The servers are
// real, and Halo is simulated. The subfolders are:
//
//   - installation: the installation that each test starts
//   - journeys: a technician's work in the console, in a browser
//   - runbook: faults, repaired with only the commands of docs/runbook.md
//   - chaos: random faults, with the outcome checked against a model
package e2e
