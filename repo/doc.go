// Package repo keeps halosync's state in Postgres, in the schema halosync:
// connections, companies, the catalogue of Halo's clients, mappings, runs and
// events. Each file covers one table or one flow, and the SQL is beside the code that
// runs it. Package schema creates the tables.
//
// Every function follows these rules:
//
//   - It takes the tenant, or a [RunRef] that contains it, and names it in the WHERE of
//     each statement. For a caller, another tenant's rows do not exist: the error is
//     [ErrNotFound]. Row level security is a second line of defence: each statement
//     runs in the scope of one tenant (package scoped). The following methods serve the
//     whole installation and run in the scope of all tenants: for keys
//     [Store.ResealSecrets] and [Store.KeyUses]; for the scheduler [Store.ClaimDue],
//     [Store.LateResyncs] and [Store.ForgetPlans]; for the dispatcher
//     [Store.ClaimUndispatched], [Store.Undispatch] and [Store.UndispatchAll]; for
//     time slices [Store.OthersWait]; for retention [Store.TenantsAfter]; for
//     monitoring [Store.CountFleet] and [Store.ConnectionsAfter]; and for
//     authentication, by an id or a hash that cannot be guessed,
//     [Store.APIKeyProof], [Store.Session] and [Store.AnyAPIKey].
//   - It takes locks in one order, so that no two transactions wait for each other:
//     first the tenant's runs (an advisory lock, to claim a bulk run), then the tenant
//     (a second advisory lock, to add companies and to map or unmap), the connection's
//     row, the run's row, and anything else.
//   - It uses the database's time, so that the clocks of workers do not matter.
//   - If Postgres refuses data, it returns an [*InvalidError] or [*ConflictError], never
//     only the driver's error.
//
// It has more than 2,500 lines: one store, a file for each table or flow; splitting it would
// export statements that have to share a transaction.
package repo
