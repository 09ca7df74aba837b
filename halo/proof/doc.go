// Package proof decides what Halo's answers prove: whether a list showed every client,
// and whether a missing client no longer exists. It also decides whether reading the list
// or reading single clients takes fewer requests. A list can miss a client and a 404
// cannot, but an agent without rights gets an empty list and a 404 for every client.
package proof
