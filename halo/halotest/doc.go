// Package halotest simulates a Halo PSA. It behaves like the real service, as
// far as public sources describe it. The simulator has state, switches, a
// script of faults and a log. Tests, the demo and benchmarks talk to it over
// HTTP. It is independent of the client under test.
//
//	h := halotest.Start(t)                    // or New and Listen
//	acme := h.Tenant("")                      // the tenant of the host itself
//	acme.App("id", "secret")                  // an API application
//	acme.Seed(2500, 1)                        // realistic clients
//	h.Fault(halotest.Rule{Page: 3}, halotest.Status(502, "<html>"))
//
// # What is simulated
//
//   - POST /auth/token: client credentials, form-encoded only
//   - GET /auth/.well-known/openid-configuration and GET /api/authinfo
//   - GET /api/Client and GET /api/Client/{id}, paths in any case
//   - the rolling request limit per tenant, checked before the token
//
// Any other path gives 404 with an empty body, and any other method gives 405.
// Writes are not simulated. The following parameters of the list have an
// effect: pageinate, page_size, page_no, count, order, orderdesc, search,
// search_name_only, toplevel_id, includeactive, includeinactive,
// activeinactive, idonly, includenotes, include_website and, if switched on,
// lastupdatefromdate. All others are silently ignored, as in Halo.
//
// # Where public evidence is thin
//
// [Profile] has a switch wherever sources disagree. Its zero value simulates
// the hosted Halo of 2026. Where nothing is known, the zero value is the less
// convenient choice. The following behaviour was chosen without evidence and is
// the same in every profile:
//
//   - an unknown scope, a scope that the application lacks, and a missing scope
//     give 400 invalid_scope
//   - a page_no below 1 means page 1, and a page_size below 1 means 50
//   - an invalid number gives 400, with the body recorded for an invalid id
//   - activeinactive=a,b means includeactive=a, includeinactive=b
//   - rows with the same name have no useful order among themselves
//   - unpaged lists omit page_no and page_size; record_count is the total
//
// # Sources
//
// homotechsual/HaloAPI #19, #31, #90 and PR #91 (token errors, request limit,
// cap of 100 rows), Midtown-Technology-Group/halocli (empty error bodies,
// binding errors, booleans, keys left out, dates),
// topleft-team/django-psa-connector commit 1176c4c (the last page is sent
// again), wyre-technology/node-halopsa commits c822233 and 46af9cb (bare detail
// object, pageinate), covenanttechnologysolutions/halopsa-rest (parameters and
// types).
//
// It has more than 2,500 lines: it simulates one service, with a switch for
// each oddity of Halo.
package halotest
