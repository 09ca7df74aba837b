package tasks

import "github.com/halosync/halosync/internal/redisurl"

// Address is the location of a Redis and the credentials for it. It is opaque, so
// that printing it never shows the password. The zero value is no address.
type Address = redisurl.Address

// ParseAddress reads a Redis URL:
//
//	redis://[user:password@]host[:6379][/db]
//	rediss://…                                 the same over TLS
//	redis-socket://[user:password@]/path?db=0
//	redis-sentinel://[user:password@]host[:26379],…[/db]?master=name
//	redis-cluster://[user:password@]host[:6379],…
//
// rediss-sentinel and rediss-cluster are the last two over TLS. The query may hold
// the options of go-redis and, with TLS, ca_file, cert_file and key_file. An error
// never quotes the URL.
func ParseAddress(redisURL string) (Address, error) { return redisurl.Parse(redisURL) }
