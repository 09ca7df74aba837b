package tasks

import (
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Address says where Redis is and how to log in. It is opaque, so that no
// printing shows the password. The zero value is no address.
type Address struct {
	text    string
	connect func() redis.UniversalClient
}

// String is the address without credentials and options.
func (a Address) String() string { return a.text }

// Connect makes a client of its own, which the caller closes. Nothing is
// dialled before the first command.
func (a Address) Connect() redis.UniversalClient { return a.connect() }

// MakeRedisClient is [Address.Connect] under the name that asynq's own tools
// know: an address can be given to them.
func (a Address) MakeRedisClient() any { return a.Connect() }

// ParseAddress reads a Redis URL:
//
//	redis://[user:password@]host[:6379][/db]
//	rediss://…                                 the same over TLS
//	redis-socket://[user:password@]/path?db=0
//	redis-sentinel://[user:password@]host[:26379],…[/db]?master=name
//	redis-cluster://[user:password@]host[:6379],…
//
// rediss-sentinel and rediss-cluster are the latter two over TLS. The options
// of go-redis' own URLs (dial_timeout, pool_size and so on, but not skip_verify)
// may follow as a query, and three more with TLS: ca_file names a file with the
// certificates of private authorities, to be believed instead of the system's;
// cert_file and key_file are for servers that want clients to show a
// certificate. The files are read once, here. With Sentinel, user and password are meant for the
// servers and the sentinels alike; sentinel_username and sentinel_password
// (also empty ones) are for the sentinels instead.
//
// The URL is read by go-redis and not by asynq, whose parser drops the user
// name and every option, takes a Sentinel's password for the sentinels only
// and knows no cluster. An error names the fault and never any part of the
// URL: a password with a "/" in it turns up in the strangest parts.
func ParseAddress(redisURL string) (Address, error) {
	if strings.Contains(redisURL, "#") {
		return Address{}, errURL(`a "#" must be written as %23`)
	}
	scheme, rest, ok := strings.Cut(redisURL, "://")
	if !ok {
		return Address{}, errURL("want redis://host:port/db")
	}
	rest, files, err := takeTrust(rest)
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

// errForm hides the parser's own error, which quotes the URL.
func errForm(want string) error {
	return errURL("want " + want + " with known options; in user and password write special characters as %xx")
}

func parseSingle(scheme, rest string, files trust) (Address, error) {
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

func parseSocket(rest string, files trust) (Address, error) {
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

// noMaintenance turns off what go-redis does for one vendor's hosted Redis: a
// look-up of the host while a client is made, without a context, and one more
// command per connection.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
