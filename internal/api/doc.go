// Package api is the HTTP API for programs, under /api/v1. It reads and writes JSON,
// reports errors as problem+json, and serves an OpenAPI document that is generated from the
// code. It translates between HTTP and the use cases of package engine. The principal of a
// request comes from [access.From].
package api
