// Package proof says what Halo's answers prove: whether a list showed every client,
// whether a client that is not shown is really gone, and which of the two ways, list or
// single clients, is the cheaper one to read some. A listing can miss a client, a 404
// cannot; but an agent without rights gets an empty list and a 404 for everything.
package proof
