// Package redisurl parses the addresses of single Redis servers, sockets, Sentinel and
// Cluster, with or without TLS. The queue, the request budget and the queue pages use
// it to connect.
package redisurl

import (
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Address is the address of a Redis server with its credentials. The type is opaque, so
// that printing an address never shows the password. The zero value means no address.
type Address struct {
	text    string
	connect func() redis.UniversalClient
}

// String returns the address without credentials and options.
func (a Address) String() string { return a.text }

// IsZero reports whether a is the zero value.
func (a Address) IsZero() bool { return a.connect == nil }

// Connect returns a new client, which the caller must close. The client connects when
// it sends its first command.
func (a Address) Connect() redis.UniversalClient { return a.connect() }

// MakeRedisClient is [Address.Connect] under the name that asynq's own tools expect.
func (a Address) MakeRedisClient() any { return a.Connect() }

// Parse parses a Redis URL:
//
//	redis://[user:password@]host[:6379][/db]
//	rediss://…                                 the same over TLS
//	redis-socket://[user:password@]/path?db=0
//	redis-sentinel://[user:password@]host[:26379],…[/db]?master=name
//	redis-cluster://[user:password@]host[:6379],…
//
// rediss-sentinel and rediss-cluster use TLS. The query may contain the options of
// go-redis (dial_timeout, pool_size and so on, but not skip_verify). With TLS it may
// also contain ca_file, cert_file and key_file. ca_file is a PEM file of private
// certificate authorities that replace the system's. cert_file and key_file are a
// client certificate and its key. Parse reads these files once.
//
// With Sentinel, user and password apply to both the servers and the sentinels. To set
// other credentials for the sentinels, use sentinel_username and sentinel_password.
// Empty values mean no credentials.
//
// Parse uses go-redis' parser. asynq's parser drops the user name and all options, uses
// the password of a Sentinel URL only for the sentinels, and does not support Cluster.
// Errors never quote the URL, because a password that contains a "/" can end up in any
// part of the URL.
func Parse(redisURL string) (Address, error) {
	if strings.Contains(redisURL, "#") {
		return Address{}, errURL(`write "#" as %23`)
	}
	scheme, rest, ok := strings.Cut(redisURL, "://")
	if !ok {
		return Address{}, errURL("want redis://host:port/db")
	}
	rest, files, err := cutTLSFiles(rest)
	if err != nil {
		return Address{}, err
	}
	plain := "redis"
	if strings.HasPrefix(scheme, "rediss") {
		plain = "rediss"
	}
	switch scheme {
	case "redis", "rediss":
		return parseSingle(scheme, rest, files)
	case "redis-socket":
		return parseSocket(rest, files)
	case "redis-sentinel", "rediss-sentinel":
		return parseSentinel(scheme, plain, rest, files)
	case "redis-cluster", "rediss-cluster":
		return parseCluster(scheme, plain, rest, files)
	}
	return Address{}, errURL("unknown scheme; want redis, rediss, redis-socket, redis-sentinel or redis-cluster")
}

func errURL(fault string) error {
	return fmt.Errorf("redis url: %s", fault)
}

// errForm replaces an error of go-redis, which would quote the URL.
func errForm(want string) error {
	return errURL("want " + want + " with known options; write special characters in the user and the password as %xx")
}

func parseSingle(scheme, rest string, files tlsFiles) (Address, error) {
	o, err := redis.ParseURL(scheme + "://" + rest)
	if err != nil || o.DB < 0 {
		return Address{}, errForm(scheme + "://[user:password@]host[:port][/db]")
	}
	if strings.Contains(o.Addr, ",") {
		return Address{}, errURL("several hosts need redis-sentinel or redis-cluster")
	}
	if err := files.apply(o.TLSConfig); err != nil {
		return Address{}, err
	}
	return single(fmt.Sprintf("%s://%s/%d", scheme, o.Addr, o.DB), o), nil
}

func parseSocket(rest string, files tlsFiles) (Address, error) {
	o, err := redis.ParseURL("unix://" + rest)
	if err != nil || o.DB < 0 {
		return Address{}, errForm("redis-socket://[user:password@]/path?db=0")
	}
	if err := files.apply(o.TLSConfig); err != nil {
		return Address{}, err
	}
	return single(fmt.Sprintf("redis-socket://%s?db=%d", o.Addr, o.DB), o), nil
}

func single(text string, o *redis.Options) Address {
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = noMaintenance()
	return Address{text, func() redis.UniversalClient { return redis.NewClient(o) }}
}

// noMaintenance turns off go-redis' support for one vendor's hosted Redis. That support
// adds a host lookup without a context to each client, and a command to each
// connection.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
