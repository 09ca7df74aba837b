// Package api is the HTTP API below /api/v1 for programs: JSON in and out,
// problem+json for errors, and an OpenAPI document that is generated from the code.
// It translates between HTTP and the use cases of package engine. The principal of a
// request comes from [access.From].
package api
