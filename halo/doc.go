// Package halo reads clients (Halo's word for customers) from the REST API of
// a Halo PSA.
//
// [New] returns an [API] for one set of credentials. [API.Pages] reads the
// whole list page by page and collects the facts that tell whether the list
// was complete; [API.Page] reads one page for browsing; [API.Client] reads one
// client by its id.
//
// # Retries
//
// A request is repeated within [Config.RetryBudget] after a 408, a 429, any
// 5xx, a timeout, a broken connection and a body that breaks off, with
// exponential back-off and full jitter (0.5 s doubling up to 8 s). Retry-After
// is honoured in both its forms, on any of these. If the server asks for a
// wait longer than [Config.MaxWait], or than the rest of the budget, the call
// fails at once and the error carries the wait, see [RetryAfter]. Nothing else
// is repeated, except once after a 401, with a new token. Waiting in
// [Config.Gate] does not count.
//
// # What the API does
//
// Halo publishes its swagger per instance; behaviour is documented nowhere.
// The following comes from public clients, named with each fact, and is what
// this package is built around.
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
// exception, an object of field and messages, or a bare string; gateways
// answer in HTML; a login redirect is possible (halocli, homotechsual/HaloAPI).
// Hence the status alone decides, and the body is only an excerpt for people.
//
// Limits: 700 requests in any 5 minutes on hosted instances, then 429, probably
// without Retry-After (halocli, homotechsual/HaloAPI). [Config.Gate] is the
// place to keep within it.
//
// # Completeness
//
// Pages are cut by offset from a list that others change meanwhile. When a
// client is deleted, all behind it move up, and the one at the next page
// boundary is never shown. [Certificate] collects what is needed to notice;
// it does not judge.
//
// A falling record_count shows a deletion, unless something was added at the
// same time. Therefore the list is ordered by id, which new clients extend at
// its end only, and [Query.VerifyTail] asks for the last page right after the
// first, to learn the greatest id there is (TailID), and then for the first
// page again, so that nothing shown is older than that. Every greater id shown
// later is an addition, so
//
//	deletions = RecordFirst + Additions − RecordLast
//
// For the same reason the last page is never read ahead: it is requested only
// after all pages before it have arrived, so that its count is younger than
// theirs. And the response that gave TailID is not reused as the last page,
// which is read again in its turn.
package halo
