package halo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func valid() Config {
	return Config{
		ResourceServer: "https://acme.halopsa.com/api", AuthServer: "https://acme.halopsa.com/auth",
		ClientID: "app", ClientSecret: testSecret,
	}
}

func TestNewChecksConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // nil: accepted
	}{
		{"valid", func(*Config) {}, nil},
		{"empty", func(c *Config) { *c = Config{} }, []string{"resource server", "authorisation server", "client ID", "client secret"}},
		{"no scheme", func(c *Config) { c.ResourceServer = "acme.halopsa.com/api" }, []string{"resource server: not an http"}},
		{"other scheme", func(c *Config) { c.AuthServer = "ftp://acme.halopsa.com" }, []string{"authorisation server: not an http"}},
		{"user", func(c *Config) { c.AuthServer = "https://a:pw@acme.halopsa.com" }, []string{"user, query or fragment"}},
		{"query", func(c *Config) { c.AuthServer += "?tenant=x" }, []string{"user, query or fragment"}},
		{"slash", func(c *Config) { c.ResourceServer += "/" }, []string{"slash"}},
		{"negative timeout", func(c *Config) { c.AttemptTimeout = -time.Second }, []string{"negative limit"}},
	}
	for _, tt := range tests {
		cfg := valid()
		tt.change(&cfg)
		_, err := New(cfg)
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		for _, want := range tt.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q lacks %q", tt.name, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: error shows the password: %v", tt.name, err)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	cfg := valid()
	a := newAPI(t, cfg)
	a.tokens.current = token{value: conceal(testToken)}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", cfg)
		fmt.Fprintf(&out, verb+"\n", &cfg)
		fmt.Fprintf(&out, verb+"\n", struct{ C Config }{cfg})
		fmt.Fprintf(&out, verb+"\n", a)
		fmt.Fprintf(&out, verb+"\n", *a)
		fmt.Fprintf(&out, verb+"\n", struct{ a *API }{a})
	}
	for _, v := range []any{cfg, &cfg, a, []Config{cfg}, map[string]any{"c": cfg}} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "cfg", cfg)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "cfg", &cfg, "group", struct{ C Config }{cfg})
	out.WriteString(cfg.String() + cfg.GoString() + cfg.LogValue().String())

	for _, secret := range []string{testSecret, "s3cret", fmt.Sprintf("%x", testSecret), testToken} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("output shows %q:\n%s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), "acme.halopsa.com") {
		t.Error("output does not show the address")
	}
}
