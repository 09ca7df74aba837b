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
//   - POST /auth/token: client credentials, form-encoded only; the static key in
//     X-Halo-Api-Key instead of a token
//   - without a token: GET /auth/.well-known/openid-configuration, /api/authinfo
//     and /api/InstanceInfo
//   - GET, POST and DELETE on /api/Client and /api/Client/{id}
//   - the lists /api/TopLevel, /api/Site and /api/Users
//   - GET /api/Agent/me, /api/Report, /api/Report/1 and /api/Webhook
//   - the rolling request limits per tenant, checked before the token
//
// Path matching ignores case. Any other path gives 404 with an empty body, and
// any other method gives 405.
//
// Only clients are stored. Each client with a main site has one site and one
// user; the top levels are those of the clients; the only report lists the
// clients; there are no webhooks. All lists but the last have the same
// parameters. These have an effect: pageinate, page_size, page_no, count,
// order, orderdesc, search, search_name_only, toplevel_id, includeactive,
// includeinactive, activeinactive, for clients also idonly, includenotes and
// include_website, for sites and users also client_id, and if switched on,
// lastupdatefromdate. All others are silently ignored, as in Halo. Search and
// order refer to the clients from which the rows are made; top levels are
// ordered by id.
//
// Not simulated: tickets and everything else in Halo, writes to anything but
// clients, the details of sites, users and top levels, reports with errors,
// the use of a refresh token, and logins of people.
//
// # Where public evidence is thin
//
// [Profile] has a switch wherever sources disagree. Its zero value simulates
// the hosted Halo of 2026. Where nothing is known, the zero value is the less
// convenient choice. The following behaviour was chosen without evidence and is
// the same in every profile:
//
//   - POST /Client checks nothing but types, accepts several objects, and
//     answers 404 for an unknown id; only the fields of [Client] with a JSON key
//     and toplevel_id are stored
//   - the scope "customers" also covers sites, users and top levels, "reporting"
//     covers reports, and webhooks need "all", "admin" or "admin:webhooks"
//   - a report shows the clients that the agent may read
//   - a static key always has the agent's current rights
//   - an unknown scope, a scope that the application lacks, and a missing scope
//     give 400 invalid_scope
//   - a page_no below 1 means page 1, and a page_size below 1 means 50
//   - an invalid number gives 400, with the body recorded for an invalid id
//   - activeinactive=a,b means includeactive=a, includeinactive=b
//   - rows with the same name have no useful order among themselves
//   - unpaged lists omit page_no and page_size; record_count is the total
//
// # Clients that work with it
//
// Three published clients were run, unchanged, against this package: the
// HaloPSA node of n8n-nodes-base 2.41.2, the library of
// Midtown-Technology-Group/halocli 0.5.0 and bart-lute/halopsa-client-go.
// TestPublishedClients repeats their requests.
//
// # Sources
//
// homotechsual/HaloAPI #19, #31, #90 and PR #91 (token errors, request limit,
// cap of 100 rows), Midtown-Technology-Group/halocli (empty error bodies,
// binding errors, booleans, keys left out, dates, reports, rows of sites and
// users),
// topleft-team/django-psa-connector commit 1176c4c (the last page is sent
// again), wyre-technology/node-halopsa commits c822233 and 46af9cb (bare detail
// object, pageinate), covenanttechnologysolutions/halopsa-rest (parameters and
// types).
//
// It has more than 2,500 lines: it simulates one service, with a switch for
// each oddity of Halo.
package halotest
