// Package api is the HTTP API below /api/v1, for programs: JSON in and out,
// problem+json for errors, described by an OpenAPI document that is made from
// the code. The use cases are package engine's; this one translates. Whose
// request it is, [access.From] says; what guards the listener has put it there.
package api
