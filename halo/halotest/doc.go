// Package halotest is a Halo PSA for tests, benchmarks and the demo. It is
// held as state (tenants, applications, tokens, clients) from which every
// answer is derived, and it is as strict as the original: what Halo refuses or
// ignores silently, this one refuses or ignores silently.
//
// Where public evidence about Halo's behaviour is split, a [Profile] switches
// between the variants; [Fault] breaks answers by a script or by seeded
// chance; [Halo.AfterPage] changes clients between two pages; [Halo.Log] tells
// what the simulator was asked.
//
// The facts behind it are those of package halo's comment, found in public
// clients and in copies of Halo's own API description: homotechsual/HaloAPI,
// topleft-team/django-psa, Midtown-Technology-Group/halocli,
// wyre-technology/node-halopsa and others. No live Halo was asked.
package halotest
