// Package repo keeps halosync's state in Postgres, in the schema halosync:
// connections, companies, the catalogue of Halo's clients, mappings, runs and
// events. Each file covers one table or one flow, and the SQL is beside the code that
// runs it. Package schema creates the tables.
//
// Every function follows these rules:
//
//   - It takes the tenant, or a [RunRef] that contains it, and names it in the WHERE
//     clause of each statement. To a caller, another tenant's rows do not exist: the
//     error is [ErrNotFound]. Row level security is a second line of defence: each
//     statement runs in the scope of one tenant (package scoped), except in the methods
//     listed below.
//   - It takes locks in one order, so that transactions do not deadlock. First comes
//     the tenant's lock for claiming bulk runs, then the tenant's lock for adding,
//     mapping and unmapping companies. Both are advisory locks. Then come the
//     connection's row, the run's row, and everything else.
//   - It uses the database's clock, so that the clocks of workers do not matter.
//   - If Postgres refuses data, it returns an [*InvalidError] or [*ConflictError], never
//     only the driver's error.
//
// The following methods serve the whole installation and run in the scope of all
// tenants:
//
//   - keys: [Store.ResealSecrets] and [Store.KeyUses];
//   - scheduler: [Store.ClaimDue], [Store.LateResyncs] and [Store.ForgetPlans];
//   - dispatcher: [Store.ClaimUndispatched], [Store.Undispatch] and
//     [Store.UndispatchAll];
//   - time slices: [Store.OthersWait];
//   - retention: [Store.TenantsAfter] and [Store.ForgetSecurityEvents];
//   - security events: [Store.AddSecurityEvents], [Store.ExportSecurityEvents] and
//     [Store.SecurityEventsOfAll];
//   - sessions, for the operator: [Store.SessionsOfAll] and [Store.EndSessionsOfAll];
//   - monitoring: [Store.CountFleet] and [Store.ConnectionsAfter];
//   - authentication, by an id or a hash that cannot be guessed: [Store.APIKeyProof],
//     [Store.Session] and [Store.AnyAPIKey].
//
// It has more than 2,500 lines because it is one store, with a file for each table or
// flow. Splitting it would export statements that must share a transaction.
package repo
