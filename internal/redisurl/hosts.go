package redisurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

func parseSentinel(scheme, plain, rest string, files tlsFiles) (Address, error) {
	form := errForm(scheme + "://[user:password@]host[:port],…[/db]?master=name")
	u, err := splitHosts(plain, rest, "26379")
	if err != nil {
		return Address{}, form
	}
	q := u.Query()
	master := q.Get("master")
	if master == "" {
		return Address{}, errURL("the sentinels need ?master=name")
	}
	q.Set("master_name", master)
	q.Del("master")

	user, password := "", ""
	if u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	setDefault(q, "username", user)
	setDefault(q, "password", password)
	if q.Has("sentinel_username") || q.Has("sentinel_password") {
		u.User = url.UserPassword(q.Get("sentinel_username"), q.Get("sentinel_password"))
		q.Del("sentinel_username")
		q.Del("sentinel_password")
	}
	u.RawQuery = q.Encode()

	o, err := redis.ParseFailoverURL(u.String())
	if err != nil || o.DB < 0 {
		return Address{}, form
	}
	o.ContextTimeoutEnabled = true
	if err := files.apply(o.TLSConfig); err != nil {
		return Address{}, err
	}
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each server has its own certificate, so do not expect the first sentinel's name
	}
	text := fmt.Sprintf("%s://%s/%d?master=%s", scheme, strings.Join(o.SentinelAddrs, ","), o.DB, url.QueryEscape(o.MasterName))
	return Address{text, func() redis.UniversalClient {
		own := *o
		return redis.NewFailoverClient(&own)
	}}, nil
}

// clusterReload is the maximum age of a client's map of the cluster. After a failover,
// go-redis returns errors until it reloads the map. With its default of one minute, the
// queue would stop for that long.
const clusterReload = 2 * time.Second

func parseCluster(scheme, plain, rest string, files tlsFiles) (Address, error) {
	form := errForm(scheme + "://[user:password@]host[:port],…")
	u, err := splitHosts(plain, rest, "6379")
	if err != nil || strings.Trim(u.Path, "/0") != "" { // a cluster has only database 0
		return Address{}, form
	}
	u.Path = ""
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return Address{}, form
	}
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = noMaintenance()
	o.ClusterStateReloadInterval = clusterReload
	if err := files.apply(o.TLSConfig); err != nil {
		return Address{}, err
	}
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = ""
	}
	return Address{scheme + "://" + strings.Join(o.Addrs, ","), func() redis.UniversalClient {
		own := *o
		return redis.NewClusterClient(&own)
	}}, nil
}

// splitHosts converts "user:password@h1:p1,h2/path?query" to the form that go-redis
// expects: a URL with one host and an addr option for each other host.
func splitHosts(scheme, rest, port string) (*url.URL, error) {
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	login := ""
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		login, authority = authority[:at+1], authority[at+1:]
	}
	var hosts []string
	for host := range strings.SplitSeq(authority, ",") {
		host, err := withPort(host, port)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	u, err := url.Parse(scheme + "://" + login + hosts[0] + tail)
	if err != nil {
		return nil, err
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	for _, host := range hosts[1:] {
		q.Add("addr", host)
	}
	u.RawQuery = q.Encode()
	return u, nil
}

func withPort(host, port string) (string, error) {
	if h, p, err := net.SplitHostPort(host); err == nil {
		if h == "" || p == "" {
			return "", errors.New("incomplete address")
		}
		return host, nil
	}
	bare := host
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		bare = host[1 : len(host)-1]
	} else if strings.Contains(host, ":") {
		return "", errors.New("not an address")
	}
	if bare == "" || strings.ContainsAny(bare, "[]") {
		return "", errors.New("not an address")
	}
	return net.JoinHostPort(bare, port), nil
}

func setDefault(q url.Values, name, value string) {
	if !q.Has(name) && value != "" {
		q.Set(name, value)
	}
}
