// Package proof decides what Halo's answers prove: whether a list showed every client, and
// whether a client that is not shown no longer exists. It also decides whether a list or
// single requests are cheaper for reading some clients. A listing can miss a client, a
// 404 cannot; but an agent without rights gets an empty list and a 404 for every client.
package proof
