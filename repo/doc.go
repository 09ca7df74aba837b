// Package repo keeps halosync's state in Postgres, in the schema halosync:
// connections, companies, the catalogue of Halo's clients, mappings, runs and
// events. One file per table or flow; the SQL is beside the code that runs it.
//
// Rules that every function keeps:
//
//   - It takes the tenant, or a [RunRef] that holds it, and has it in the WHERE
//     of each statement. What belongs to another tenant does not exist:
//     [ErrNotFound]. Row level security is a second wall behind that: each
//     statement runs in the scope of one tenant (wall.go). Those that serve the
//     whole program say so and run in everybody's scope: the keys,
//     [Store.ResealSecrets] and [Store.KeyUses]; the clock, [Store.ClaimDue],
//     [Store.LateResyncs] and [Store.ForgetPlans]; the dispatcher,
//     [Store.ClaimUndispatched], [Store.Undispatch] and [Store.UndispatchAll]; the
//     question whose turn it is, [Store.OthersWait]; the removal of what is old,
//     [Store.TenantsAfter]; what operations watch, [Store.CountFleet] and
//     [Store.ConnectionsAfter]; and what finds out whose request it is, by an id or
//     a hash that cannot be guessed, [Store.APIKeyProof], [Store.Session] and
//     [Store.AnyAPIKey].
//   - Locks are taken in one order, so that no two transactions wait for each
//     other: the tenant's runs (an advisory lock, held by whoever claims a bulk
//     run), the tenant (another one, held by whoever adds companies or mappings
//     or takes them away), the connection's row, the run's row, anything else.
//   - Times are the database's, so that the clocks of workers do not matter.
//   - What Postgres refuses because of the data is an [*InvalidError] or
//     [*ConflictError], never a driver's error alone.
package repo
