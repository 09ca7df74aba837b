// Package proof decides what Halo's answers prove: whether a list showed every client,
// and whether a missing client no longer exists. It also decides which way of reading
// some clients takes fewer requests: the list or their ids. A listing can miss a client,
// a 404 cannot; but an agent without rights gets an empty list and a 404 for every
// client.
package proof
