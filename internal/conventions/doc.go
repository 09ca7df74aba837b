// Package conventions tests the repository's own files: imports, dependencies,
// licences, fuzz targets, threats in docs/security.md, requirements in docs/asvs.md,
// alerts, the runbook, and settings in deploy. The tests start neither a server nor
// any of the programs.
package conventions
