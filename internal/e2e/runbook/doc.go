// Package runbook tests docs/runbook.md. Each test causes a fault, waits for
// the alert and repairs the fault with the commands in the runbook.
package runbook
