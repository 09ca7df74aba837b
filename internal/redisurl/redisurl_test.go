package redisurl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// address parses a URL that must be valid.
func address(t *testing.T, url string) Address {
	t.Helper()
	a, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// connect returns a client that is closed at the end of the test.
func connect(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	rdb := address(t, url).Connect()
	t.Cleanup(func() {
		if err := rdb.Close(); err != nil {
			t.Error(err)
		}
	})
	return rdb
}

func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"redis://h":                                            "redis://h:6379/0",
		"redis://u:p@h:7/3":                                    "redis://h:7/3",
		"redis://:p@[::1]:7":                                   "redis://[::1]:7/0",
		"redis://u:p%2Fw@h/1?dial_timeout=2s":                  "redis://h:6379/1",
		"redis://h/1?db=2":                                     "redis://h:6379/2",
		"rediss://u:p@h:7/3?pool_size=1":                       "rediss://h:7/3",
		"redis-socket:///run/redis.sock":                       "redis-socket:///run/redis.sock?db=0",
		"redis-socket://u:p@/run/r.sock?db=4":                  "redis-socket:///run/r.sock?db=4",
		"redis-sentinel://h1,h2:7?master=m":                    "redis-sentinel://h1:26379,h2:7/0?master=m",
		"redis-sentinel://u:p@h/2?master=m&sentinel_password=": "redis-sentinel://h:26379/2?master=m",
		"rediss-sentinel://[::1],h2?master=m":                  "rediss-sentinel://[::1]:26379,h2:26379/0?master=m",
		"redis-cluster://u:p@h1:1,h2,h3:3":                     "redis-cluster://h1:1,h2:6379,h3:3",
		"rediss-cluster://h1,h2/0?read_timeout=5":              "rediss-cluster://h1:6379,h2:6379",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			a, err := Parse(in)
			if err != nil {
				t.Fatal(err)
			}
			for _, verb := range []string{"%v", "%+v", "%s"} {
				if got := fmt.Sprintf(verb, a); got != want {
					t.Errorf("%s: %s, want %s", verb, got, want)
				}
			}
		})
	}
}

// asynq's own parser drops user name, options and database.
func TestParseKeepsEverything(t *testing.T) {
	t.Parallel()
	type options struct {
		Addr, User, Password string
		DB, Pool             int
		TLS                  bool
	}
	for in, want := range map[string]options{
		"redis://u:p%40ss@h/3?pool_size=9":                             {"h:6379", "u", "p@ss", 3, 9, false},
		"rediss://u:p@h":                                               {"h:6379", "u", "p", 0, 0, true},
		"redis-socket://u:p@/r.sock?db=2&pool_size=4":                  {"/r.sock", "u", "p", 2, 4, false},
		"redis-sentinel://u:p@h1,h2/5?master=m&pool_size=6":            {"FailoverClient", "u", "p", 5, 6, false},
		"redis-sentinel://:p@h1/5?master=m&password=q&username=v":      {"FailoverClient", "v", "q", 5, 0, false},
		"redis-sentinel://u:p@h1/5?master=m&sentinel_password=s":       {"FailoverClient", "u", "p", 5, 0, false},
		"rediss-sentinel://u:p@h1/5?master=m&sentinel_username=w&db=6": {"FailoverClient", "u", "p", 6, 0, true},
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			o := connect(t, in).(*redis.Client).Options()
			got := options{o.Addr, o.Username, o.Password, o.DB, o.PoolSize, o.TLSConfig != nil}
			if want.Pool == 0 {
				got.Pool = 0 // go-redis' default
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if !o.ContextTimeoutEnabled {
				t.Error("a context's deadline would be ignored")
			}
			if o.MaintNotificationsConfig.Mode != maintnotifications.ModeDisabled {
				t.Error("creating a client would look up the host")
			}
		})
	}
	o := connect(t, "rediss-cluster://u:p@h1,h2:7?pool_size=3").(*redis.ClusterClient).Options()
	got := []any{o.Addrs, o.Username, o.Password, o.PoolSize, o.TLSConfig != nil, o.ClusterStateReloadInterval}
	if diff := cmp.Diff([]any{[]string{"h1:6379", "h2:7"}, "u", "p", 3, true, 2 * time.Second}, got); diff != "" {
		t.Error(diff)
	}
}

// If a password is not escaped, parts of it end up in the host, the port, the path or
// the options. No error may show the password.
func TestParseHidesPasswords(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "hunter2", "hunter2://h", "://hunter2", "redis:hunter2", "http://u:hunter2@h",
		"redis://u:hunter2/@h/0", "redis://u:12/hunter2@h/0", "redis://u:12?hunter2@h", "redis://u:12#hunter2@h",
		"redis://u:hunter2@h:port", "redis://u:hunter2@h/hunter2", "redis://u:hunter2@h/-1", "redis://u:hunter2@h/1/hunter2",
		"redis://u:hunter2@h?dial_timeout=hunter2", "redis://u:%zzhunter2@h", "redis://u:hunter2@h1,h2",
		"redis-socket://u:hunter2@", "redis-socket:///s?db=hunter2",
		"redis-sentinel://u:hunter2@h1,h2", "redis-sentinel://u:hunter2@h1,,h2?master=m", "redis-sentinel://u:hunter2@:1?master=m",
		"redis-sentinel://u:hunter2@h1/x?master=m", "redis-sentinel://u:hun%zzter2@h1?master=m&hunter2", "redis-sentinel://u:hunter2/@h?master=m",
		"redis-sentinel://h?master=m&hunter2;%zz",
		"redis-cluster://u:hunter2@h1,", "redis-cluster://u:hunter2@h1/1", "redis-cluster://u:hunter2@a:b:c", "redis-cluster://u:hunter2@[h1", "redis-cluster://h1]", "redis-cluster://[]",
		"redis-cluster://u:hunter2@h1?hunter2=1",
	} {
		a, err := Parse(in)
		if err == nil {
			t.Errorf("%s: accepted as %s", in, a)
			continue
		}
		if text := err.Error(); strings.Contains(text, "hunter2") || !strings.HasPrefix(text, "redis url: ") {
			t.Errorf("%s: error %q", in, text)
		}
	}
}

// No error shows the password, wherever the URL contains it.
func FuzzParse(f *testing.F) {
	for _, form := range []string{
		"redis://u:%s@h:6379/0", "rediss://%s@h", "redis-socket://:%s@/s", "redis-sentinel://u:%s@h1,h2/1?master=m",
		"redis-cluster://u:%s@h1,[::1]:7", "redis://h/0?%s", "%s", "redis-sentinel://h?master=m&password=%s",
	} {
		for _, password := range []string{"x", "a/b", "a?b#c", "%zz", "@", ",", "[", "a:b"} {
			f.Add(form, password)
		}
	}
	f.Fuzz(func(t *testing.T, form, password string) {
		secret := "hunter2" + password + "hunter2"
		a, err := Parse(strings.Replace(form, "%s", secret, 1))
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error shows the password: %v", err)
		}
		if err == nil && (a.IsZero() || a.String() == "") {
			t.Error("accepted without an address")
		}
	})
}
