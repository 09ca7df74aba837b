package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/halosync/halosync/internal/ratelimit"
)

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load(environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(10, "127.0.0.1:8080", ratelimit.Rate{Requests: 700, Per: 5 * time.Minute}, "30 4 * * *", zapcore.InfoLevel, "json", 2)
	if got := fmt.Sprint(c.Concurrency, c.HTTPAddr, c.RateLimit, c.ResyncCron, c.LogLevel, c.LogFormat, c.TenantRuns); got != want {
		t.Errorf("defaults %s, want %s", got, want)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	t.Parallel()
	c, err := Load(environment(map[string]string{
		"DATABASE_URL": "postgres://u:p@h/d", "REDIS_URL": "redis://h", "HALOSYNC_KEYSET": "k",
		"HALOSYNC_CONCURRENCY": "3", "HALOSYNC_HTTP_ADDR": "off", "PORT": "9", "HALOSYNC_RATE_LIMIT": "9/1s",
		"HALOSYNC_RESYNC_CRON": "0 1 * * *", "HALOSYNC_ALLOW_HOSTS": "a,10.0.0.0/8",
		"HALOSYNC_CA_FILE": "ca.pem", "HALOSYNC_LOG_LEVEL": "debug", "HALOSYNC_LOG_FORMAT": "console", "HALOSYNC_TENANT": "t1", "HALOSYNC_TENANT_RUNS": "5",
		"HALOSYNC_SIGNIN_SECRET": "s1,s2", "HALOSYNC_EMBED_ORIGINS": "https://a.example,https://b.example", "HALOSYNC_QUEUES_WRITABLE": "true",
		"HALOSYNC_METRICS_ADDR": ":8081", "HALOSYNC_PUBLIC_URL": "https://c.example", "HALOSYNC_TRUSTED_PROXIES": "10.0.0.1,10.1.0.0/16",
	}), DatabaseURL, RedisURL, Keyset)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		c.DatabaseURL.Reveal(), c.RedisURL.Reveal(), c.Keyset.Reveal(), c.Concurrency, c.HTTPAddr,
		c.RateLimit.String(), c.ResyncCron, strings.Join(c.AllowHosts, "|"), c.CAFile, c.LogLevel.String(), c.LogFormat, c.Tenant, c.TenantRuns,
		c.SigninSecret.Reveal(), strings.Join(c.EmbedOrigins, "|"), c.QueuesWritable,
		c.MetricsAddr, c.PublicURL, strings.Join(c.TrustedProxies, "|"),
	}
	want := []any{"postgres://u:p@h/d", "redis://h", "k", 3, "off", "9/1s", "0 1 * * *", "a|10.0.0.0/8", "ca.pem", "debug", "console", "t1", 5, "s1,s2", "https://a.example|https://b.example", true, ":8081", "https://c.example", "10.0.0.1|10.1.0.0/16"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, "u:p@h") {
		t.Errorf("a secret was printed: %s", text)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Load(environment(map[string]string{
		"HALOSYNC_CONCURRENCY": "many", "HALOSYNC_RATE_LIMIT": "fast", "HALOSYNC_LOG_LEVEL": "loud",
		"HALOSYNC_LOG_FORMAT": "xml", "HALOSYNC_HTTP_ADDR": "nowhere", "HALOSYNC_TENANT_RUNS": "0", "HALOSYNC_QUEUES_WRITABLE": "perhaps", "HALOSYNC_METRICS_ADDR": "8081",
		"REDIS_URL_FILE": filepath.Join(t.TempDir(), "none"),
	}), DatabaseURL, RedisURL, Keyset)
	var faults *FaultsError
	if !errors.As(err, &faults) {
		t.Fatalf("error %v, want a FaultsError", err)
	}
	for _, name := range []string{
		"DATABASE_URL", "REDIS_URL_FILE", "HALOSYNC_KEYSET", "HALOSYNC_CONCURRENCY",
		"HALOSYNC_RATE_LIMIT", "HALOSYNC_LOG_LEVEL", "HALOSYNC_LOG_FORMAT", "HALOSYNC_HTTP_ADDR", "HALOSYNC_METRICS_ADDR",
		"HALOSYNC_TENANT_RUNS", `HALOSYNC_QUEUES_WRITABLE: "perhaps": want true or false`,
	} {
		if n := len(slices.DeleteFunc(slices.Clone(faults.Faults), func(f string) bool { return !strings.HasPrefix(f, name) })); n != 1 {
			t.Errorf("%s is named %d times, want once, in:\n%v", name, n, err)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, err := Load(environment(map[string]string{"DATABASE_URL_FILE": write("db", "postgres://u:hunter2@h/d\n")}), DatabaseURL)
	if err != nil || c.DatabaseURL.Reveal() != "postgres://u:hunter2@h/d" {
		t.Errorf("%q, %v", c.DatabaseURL.Reveal(), err)
	}
	for name, vars := range map[string]map[string]string{
		"both":      {"DATABASE_URL": "postgres://a", "DATABASE_URL_FILE": write("db2", "postgres://hunter2")},
		"empty":     {"DATABASE_URL_FILE": write("empty", "\n")},
		"directory": {"DATABASE_URL_FILE": dir},
		"itself":    {"DATABASE_URL_FILE": "postgres://u:hunter2@h/d"},
		"keys":      {"HALOSYNC_KEYSET_FILE": "hsk1:hunter2"},
		"signin":    {"HALOSYNC_SIGNIN_SECRET": "hunter2", "HALOSYNC_SIGNIN_SECRET_FILE": "hunter2", "DATABASE_URL": "postgres://a"},
		"huge":      {"DATABASE_URL_FILE": write("huge", strings.Repeat("x", 65<<10))},
	} {
		_, err := Load(environment(vars), DatabaseURL)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "DATABASE_URL") && name != "signin" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPortOfThePlatform(t *testing.T) {
	t.Parallel()
	c, err := Load(environment(map[string]string{"PORT": "3000"}))
	if err != nil || c.HTTPAddr != ":3000" || !c.ByPort() {
		t.Errorf("%q, by port: %v, %v", c.HTTPAddr, c.ByPort(), err)
	}
	c, err = Load(environment(map[string]string{"PORT": "3000", "HALOSYNC_HTTP_ADDR": "127.0.0.1:3000"}))
	if err != nil || c.HTTPAddr != "127.0.0.1:3000" || c.ByPort() {
		t.Errorf("%q, by port: %v, %v", c.HTTPAddr, c.ByPort(), err)
	}
	if _, err := Load(environment(map[string]string{"PORT": "http"})); err == nil || !strings.Contains(err.Error(), "PORT") {
		t.Errorf("PORT=http: %v", err)
	}
}
