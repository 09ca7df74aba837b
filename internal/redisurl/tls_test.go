package redisurl

import (
	"crypto/tls"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/devstack"
)

func TestTLSFiles(t *testing.T) {
	t.Parallel()
	r, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	addr, ca, cert, key := r.TLS()
	good := url.Values{"ca_file": {ca}, "cert_file": {cert}, "key_file": {key}}

	marked := url.Values{} // with byte order marks
	for option, paths := range good {
		text, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		marked.Set(option, filepath.Join(t.TempDir(), option))
		if err := os.WriteFile(marked.Get(option), append([]byte("\ufeff"), text...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := connect(t, "rediss://"+addr+"?"+marked.Encode()).Ping(t.Context()).Err(); err != nil {
		t.Errorf("files with byte order marks: %v", err)
	}

	for _, in := range []string{"rediss://" + addr + "?", "rediss://" + addr + "/3?pool_size=4&"} {
		rdb := connect(t, in+good.Encode())
		if err := rdb.Ping(t.Context()).Err(); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if text := address(t, in+good.Encode()).String(); strings.Contains(text, "file") {
			t.Errorf("address %s", text)
		}
	}
	configs := map[string]*tls.Config{
		"sentinel": connect(t, "rediss-sentinel://h1,h2?master=m&"+good.Encode()).(*redis.Client).Options().TLSConfig,
		"cluster":  connect(t, "rediss-cluster://h1,h2?"+good.Encode()).(*redis.ClusterClient).Options().TLSConfig,
	}
	for name, cfg := range configs {
		if cfg == nil || cfg.RootCAs == nil || len(cfg.Certificates) != 1 {
			t.Errorf("%s: the files are not used", name)
		}
	}

	empty := filepath.Join(t.TempDir(), "hunter2")
	if err := os.WriteFile(empty, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, q := range map[string]url.Values{
		"ca_file: no such file":                          {"ca_file": {"/hunter2"}},
		"ca_file: want a regular file":                   {"ca_file": {"/dev/zero"}},
		"ca_file: no PEM certificate":                    {"ca_file": {empty}},
		"set both cert_file and key_file":                {"cert_file": {cert}},
		"cert_file and key_file: want a PEM certificate": {"cert_file": {cert}, "key_file": {ca}},
		"cert_file: no such file or directory":           {"cert_file": {"hunter2"}, "key_file": {key}},
	} {
		_, err := Parse("rediss://u:hunter2@" + addr + "?" + q.Encode())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for _, in := range []string{"redis://h?", "redis-socket:///s?", "redis-cluster://h?", "redis-sentinel://h?master=m&"} {
		if _, err := Parse(in + good.Encode()); err == nil || !strings.Contains(err.Error(), "need TLS") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// The server's certificate is always verified.
func TestSkipVerifyIsRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"rediss://u:p4ss@h?skip_verify=1", "rediss://h?skip_verify=false", "rediss://h?skip_verify=true&x=%zz", "rediss://h?x=%zz&skip%5Fverify=1",
		"rediss-sentinel://h?master=m&skip_verify=1", "rediss-cluster://h?skip_verify=1", "redis://h?skip_verify=1",
	} {
		if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), "ca_file") || strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%s: error %v", in, err)
		}
	}
}
