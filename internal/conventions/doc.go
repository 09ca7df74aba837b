// Package conventions tests the repository's own files: imports between
// packages, dependencies and their licences, fuzz targets, the threats in
// docs/security.md, alerts and their runbook, the settings in deploy. The tests
// start neither a server nor any of the programs.
package conventions
