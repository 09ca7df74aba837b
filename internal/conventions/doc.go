// Package conventions holds the tests of the repository's own files: which package
// imports which, dependencies and their licences, fuzz targets, the threats of
// docs/security.md, alerts and their runbook, the settings in deploy. They start no
// server and none of the programs.
package conventions
