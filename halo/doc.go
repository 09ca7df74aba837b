// Package halo reads clients (Halo's word for customers) from the REST API of a
// Halo PSA.
//
// [New] returns an [API] for one set of credentials. [API.Pages] reads the
// whole list page by page and collects facts that show whether it was complete;
// [API.Page] reads one page for browsing; [API.Client] reads one client by its
// id.
//
// # Retries
//
// A request is repeated within [Config.RetryBudget] after a 408, a 429, any
// 5xx, a timeout, a broken connection or a body that breaks off. The back-off
// is exponential with full jitter (0.5 s doubling up to 8 s). Retry-After is
// honoured after any of these failures, both as seconds and as a date. After a
// 429 without Retry-After, the wait is 5 s or more and grows with each retry.
// If the wait exceeds [Config.MaxWait] or the rest of the budget, the call
// fails at once and the error carries the wait; see [RetryAfter]. With the
// default MaxWait of 5 s, a 429 without Retry-After therefore fails at once.
// After a 401, the request is repeated once with a new token. No other failure
// is retried. Time spent in [Config.Gate] does not count towards the budget.
//
// # What the API does
//
// Each Halo instance publishes its own Swagger file, which does not describe
// how the API behaves. This package relies on the following facts. Each fact
// names the public API clients that it comes from.
//
// Addresses and tokens:
//   - The authorisation server (…/auth) and the resource server (…/api) have
//     separate addresses. People paste them with or without a scheme, a
//     trailing slash and /api, and sometimes with /api twice (docs of
//     KelvinTegelaar/CIPP-API, stellarcyber/halopsa-ticket-sync,
//     NangoHQ/nango). A self-hosted authorisation server can be at the root of
//     its host (homotechsual/HaloAPI #1). See [ParseResourceServer] and
//     [AuthServers].
//   - The token call is POST /token with the credentials in the form. Hosted
//     instances take a tenant in the query; other instances need none
//     (homotechsual/HaloAPI, n8n-io/n8n).
//   - An unknown client ID or a wrong secret gives a 401 with invalid_client
//     (homotechsual/HaloAPI #19). A wrong tenant gives a 500 without JSON.
//   - Servers of the same family write expires_in as a double or as text
//     (golang/oauth2 #239). The answer is read as leniently as a row.
//   - Some MSPs need an additional header with every request
//     (homotechsual/HaloAPI #11). See [Config.HeaderName].
//   - A token is valid for an hour (topleft-team/django-psa). The API answers
//     an expired or revoked token with a 401 and an empty body, so one retry
//     with a new token makes sense (Midtown-Technology-Group/halocli,
//     topleft-team/django-psa).
//
// Paging:
//   - The parameter that enables paging is spelt "pageinate". Without it,
//     page_no and page_size have no effect, and every request returns the first
//     50 rows (wyre-technology/node-halopsa 46af9cb). Unknown parameters are
//     silently ignored.
//   - In current versions, a page has at most 100 rows, regardless of page_size
//     (homotechsual/HaloAPI #90, #91). It is unknown whether Halo echoes the page_size of
//     the request or its own. So a short page does not indicate the end of the list, and
//     this package uses neither size.
//   - Past the end, Halo may send an empty page or repeat the last page
//     (topleft-team/django-psa-connector 1176c4c). Either ends a pass.
//   - Booleans are the words true and false; 1 is not true (halocli).
//   - Halo lists inactive clients only on request (n8n-io/n8n). Without that
//     request, they would look deleted.
//   - An agent without the right to read clients gets 200 and an empty list
//     (Halo guide 1566).
//
// Rows:
//   - Keys whose value is null are omitted. Ids appear as 12 or 12.0. Flags are
//     booleans or numbers. "None" is null, 0, -1 or an absent key (halocli,
//     bart-lute/halopsa-client-go). Rows are decoded leniently; a row without a
//     usable id is counted and left out.
//   - A logo can be a large inline image (CIPP). Keys that are not needed are
//     skipped.
//   - A list row has no date of its last change (halocli), so this package
//     exposes no dates.
//
// Errors: 401, 403, 404 and 500 have empty bodies. The body of a 400 is a
// serialised .NET exception, an object of fields and messages, or a bare
// string. Gateways answer in HTML, and a redirect to a login page is possible
// (halocli, homotechsual/HaloAPI). So only the status determines the error. The
// body only supplies an excerpt for people.
//
// Limits: hosted instances accept 700 requests in any 5 minutes and then answer
// 429, probably without Retry-After (halocli, homotechsual/HaloAPI). Use
// [Config.Gate] to stay within that limit.
//
// # Completeness
//
// A count is a claim. If the last page according to the count is as full as any
// other, [API.Pages] makes one more request. A count that is smaller than the
// number of ids so far does not end the pass, and without a count the pass ends
// with a page that has no new id. [Certificate.Sum] shows whether two passes have read the
// same ids.
//
// Halo pages by offset, and the list may change during the pass. When a client
// is deleted, all later clients move up, so the client at the next page
// boundary is skipped. [Certificate] collects the facts that reveal such a gap.
//
// A falling record_count reveals a deletion, unless a client was added at the
// same time. The list is therefore ordered by id, so that new clients appear
// only at its end. With [Query.VerifyTail], [API.Pages] requests the last page
// right after the first, to learn the greatest id (TailID). It then requests
// the first page again, so that no yielded page is older than TailID. Every
// greater id that appears later is an addition, so
//
//	deletions = RecordFirst + Additions − RecordLast
//
// For the same reason, the last page is requested only after all earlier pages
// have arrived, so that its count is more recent than theirs. The response that
// contained TailID is not reused. The last page is read again at the end.
//
// It has more than 2,500 lines: tokens, requests, pages and decoding share
// types that should stay private to this package.
package halo
