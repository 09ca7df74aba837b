// Package runbook tests docs/runbook.md: something breaks, its alert fires, and
// the commands in the runbook repair it.
package runbook
