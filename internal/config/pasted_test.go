package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A value that was pasted with extra text around it is reported once, with the specific
// mistake. The report does not quote the value.
func TestPastedValues(t *testing.T) {
	t.Parallel()
	const db, redis = "postgres://u:hunter2@h:5432/d", "redis://:hunter2@h:6379/0"
	for _, tt := range []struct{ name, value, want string }{
		{DatabaseURL, `"` + db + `"`, "quotation marks"},
		{DatabaseURL, `'` + db + `'`, "quotation marks"},
		{DatabaseURL, `"` + db, "quotation marks"},
		{DatabaseURL, db + `"`, "quotation marks"},
		{DatabaseURL, `“` + db + `”`, "quotation marks"},
		{DatabaseURL, "`" + db + "`", "quotation marks"},
		{DatabaseURL, `"host=h user=u password=hunter2"`, "quotation marks"},
		{RedisURL, `"` + redis + `"`, "quotation marks"},
		{RedisURL, redis + `'`, "quotation marks"},
		{Keyset, `"hsk1:hunter2"`, "quotation marks"},
		{proxy, `"http://u:hunter2@h:3128"`, "quotation marks"},
		{"HALOSYNC_RATE_LIMIT", `"700/5m"`, "quotation marks"},
		{"HALOSYNC_HTTP_ADDR", `':8080'`, "quotation marks"},
		{DatabaseURL, "DATABASE_URL=" + db, "its own name"},
		{RedisURL, "export REDIS_URL=" + redis, "its own name"},
		{DatabaseURL, "jdbc:postgresql://h:5432/d?user=u&password=hunter2", "jdbc:"},
		{DatabaseURL, "JDBC:" + db, "jdbc:"},
		{RedisURL, "jdbc:" + redis, "jdbc:"},
		{DatabaseURL, "jdbc:postgresql:d", "jdbc:"},
		{DatabaseURL, "postgresql+asyncpg://u:hunter2@h/d", "postgres://"},
		{DatabaseURL, "psql " + db, "postgres://"},
		{DatabaseURL, "mysql://u:hunter2@h/d", "postgres://"},
	} {
		_, err := Load(environment(map[string]string{tt.name: tt.value}))
		if err == nil || !strings.Contains(err.Error(), tt.name+": ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "faults") {
			t.Errorf("%s=%s: %v, want one fault with %q", tt.name, tt.value, err, tt.want)
		}
	}
	for name, values := range map[string][]string{
		DatabaseURL:       {db, "postgresql://h/d", "host=h password='a://b'", "host=h user=u", "\ufeff" + db, " " + db + "\n"},
		RedisURL:          {redis, "rediss://h"},
		"HALOSYNC_TENANT": {"'s-Hertogenbosch IT", "Jo's"},
	} {
		for _, value := range values {
			if c, err := Load(environment(map[string]string{name: value})); err != nil || strings.Contains(c.DatabaseURL.Reveal(), "\ufeff") {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}

// Editors put a byte order mark in front of a text, or write UTF-16.
func TestSecretFilesWithByteOrderMarks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	load := func(text string) (Config, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(environment(map[string]string{"DATABASE_URL_FILE": path}), DatabaseURL)
	}
	if c, err := load("\ufeffpostgres://h/d\r\n"); err != nil || c.DatabaseURL.Reveal() != "postgres://h/d" {
		t.Errorf("%q, %v", c.DatabaseURL.Reveal(), err)
	}
	for text, want := range map[string]string{
		"\xff\xfep\x00o\x00": "UTF-16", "\xfe\xff\x00p\x00o": "UTF-16", "\"postgres://h/d\"\n": "quotation marks",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
