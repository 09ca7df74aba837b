// Package runbook holds the tests of docs/runbook.md: something breaks, its alert
// fires, and what the runbook says to type repairs it.
package runbook
