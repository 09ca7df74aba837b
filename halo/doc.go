// Package halo reads clients (Halo's word for customers) from the REST API of a
// Halo PSA.
//
// [New] returns an [API] for one set of credentials. [API.Pages] reads the
// whole list page by page and collects the facts that tell whether the list was
// complete; [API.Page] reads one page for browsing; [API.Client] reads one
// client by its id.
//
// # Retries
//
// A request is repeated within [Config.RetryBudget] after a 408, a 429, any
// 5xx, a timeout, a broken connection or a body that breaks off. The back-off
// is exponential with full jitter (0.5 s doubling up to 8 s). Retry-After is
// honoured in both its forms, after any of these failures. A 429 without
// Retry-After counts as a request to wait 5 s or more, longer with each retry.
// If the wait exceeds [Config.MaxWait] or the rest of the budget, the call
// fails at once and the error carries the wait; see [RetryAfter]. With the
// default MaxWait of 5 s, a 429 without Retry-After therefore fails at once.
// After a 401, the request is repeated once with a new token. Nothing else is
// repeated. Time spent in [Config.Gate] does not count towards the budget.
//
// # What the API does
//
// Halo publishes its swagger per instance; behaviour is documented nowhere.
// This package relies on the following facts. They come from public clients,
// which are named with each fact.
//
// Addresses and tokens:
//   - The authorisation server (…/auth) and the resource server (…/api) are
//     configured separately and pasted with or without scheme, trailing slash
//     and /api, sometimes twice (docs of KelvinTegelaar/CIPP-API,
//     stellarcyber/halopsa-ticket-sync, NangoHQ/nango). See
//     [ParseResourceServer] and [ParseAuthServer].
//   - The token call is POST /token with the credentials in the form. Hosted
//     instances take a tenant in the query, others do without
//     (homotechsual/HaloAPI, n8n-io/n8n).
//   - An unknown client or a wrong secret is a 401 with invalid_client
//     (homotechsual/HaloAPI #19). A wrong tenant is a 500 without JSON.
//   - A token lives an hour (topleft-team/django-psa). At the API a token that
//     has expired or was revoked gives a 401 with an empty body; one new token
//     is worth a try (Midtown-Technology-Group/halocli, topleft-team/django-psa).
//
// Paging:
//   - The switch is spelt "pageinate"; without it page_no and page_size do
//     nothing and the first 50 rows come back for every page
//     (wyre-technology/node-halopsa 46af9cb). Unknown parameters are silently
//     ignored.
//   - A page has at most 100 rows on current versions, whatever page_size says
//     (homotechsual/HaloAPI #90, #91). Which page_size is echoed is unknown. So
//     a short page says nothing about the end, and neither size is used.
//   - Past the end there may be an empty page, or the last page again
//     (topleft-team/django-psa-connector 1176c4c). Both end a pass here.
//   - Booleans are the words true and false; 1 is not true (halocli).
//   - Inactive clients are left out unless asked for (n8n-io/n8n). They would
//     look deleted.
//   - An agent without the right to read clients gets 200 and an empty list
//     (Halo guide 1566).
//
// Rows:
//   - Keys whose value is null are left out; ids appear as 12 and as 12.0;
//     flags are booleans or numbers; "none" is null, 0, -1 or absent (halocli,
//     bart-lute/halopsa-client-go). Rows are decoded leniently; a row without
//     a usable id is counted and left out.
//   - A logo can be a large inline image (CIPP). Keys that are not needed are
//     skipped.
//   - A list row has no date of its last change (halocli), so this package has
//     no dates at all.
//
// Errors: 401, 403, 404 and 500 have empty bodies; a 400 has a serialised .NET
// exception, an object of field and messages, or a bare string; gateways answer
// in HTML; a login redirect is possible (halocli, homotechsual/HaloAPI). So the
// status alone decides, and the body only supplies an excerpt for people.
//
// Limits: 700 requests in any 5 minutes on hosted instances, then 429, probably
// without Retry-After (halocli, homotechsual/HaloAPI). Use [Config.Gate] to
// stay within that limit.
//
// # Completeness
//
// Pages are cut by offset from a list that may change during the pass. When a
// client is deleted, all clients behind it move up, and the one at the next
// page boundary is never shown. [Certificate] collects the facts that reveal
// this; it does not judge them.
//
// A falling record_count shows a deletion, unless something was added at the
// same time. Therefore the list is ordered by id, so that new clients appear
// only at its end. [Query.VerifyTail] requests the last page right after the
// first, to learn the greatest id (TailID). It then requests the first page
// again, so that no yielded page is older than TailID. Every greater id that
// appears later is an addition, so
//
//	deletions = RecordFirst + Additions − RecordLast
//
// For the same reason the last page is never read ahead: it is requested only
// after all pages before it have arrived, so that its count is younger than
// theirs. The response that gave TailID is not reused: the last page is read
// again at the end.
//
// It has more than 2,500 lines: tokens, requests, pages and decoding share types that no
// other package should see.
package halo
