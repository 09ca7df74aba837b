// Package repo keeps halosync's state in Postgres, in the schema halosync:
// connections, companies, the catalogue of Halo's clients, mappings, runs and
// events. Each file is a table or a flow; the SQL is beside the code that runs it.
// Package schema creates the tables.
//
// Rules that every function keeps:
//
//   - It takes the tenant, or a [RunRef] that has it, and names it in the WHERE of
//     each statement. What belongs to another tenant does not exist: [ErrNotFound].
//     Row level security is a second wall behind that: each statement runs in the
//     scope of one tenant (package scoped). These methods serve the whole
//     installation and run in the scope of all tenants: for keys
//     [Store.ResealSecrets] and [Store.KeyUses]; for the scheduler [Store.ClaimDue],
//     [Store.LateResyncs] and [Store.ForgetPlans]; for the dispatcher
//     [Store.ClaimUndispatched], [Store.Undispatch] and [Store.UndispatchAll]; for
//     time slices [Store.OthersWait]; for retention [Store.TenantsAfter]; for
//     monitoring [Store.CountFleet] and [Store.ConnectionsAfter]; and for
//     authentication, by an id or a hash that cannot be guessed,
//     [Store.APIKeyProof], [Store.Session] and [Store.AnyAPIKey].
//   - Locks are taken in one order, so that no two transactions wait for each
//     other: the tenant's runs (an advisory lock, to claim a bulk run), the tenant
//     (another one, to add companies and to map or unmap), the connection's row, the
//     run's row, anything else.
//   - Times are the database's, so that the clocks of workers do not matter.
//   - If Postgres refuses data, the error is an [*InvalidError] or [*ConflictError],
//     never only the driver's error.
package repo
