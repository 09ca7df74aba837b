package config

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caarlos0/env/v11"
)

// FuzzLoad sets each variable to one line of the input, in the order of the fields.
// Load must return either a short error that quotes no secret, or a valid
// configuration.
func FuzzLoad(f *testing.F) {
	f.Add("postgres://u:p@h/d\nredis://h\nk\n3\n2\noff\n9/1s\n0 1 * * *\n1h\na,10.0.0.0/8\ndebug\nconsole\nt1\ns\nhttps://a.example\n9")
	f.Add("\n\n\nx\n99999999999999999999\n:\n700/\n\n-1h\n,\nloud\nxml\n\n\n\n70000")
	f.Add("\n\n\n0\n0\n[::1]:80\n1/1ns\n\n13h\n\n\n\n\n\n\n-1")
	f.Add("\n\n\n" + strings.Repeat("9", 100_000) + "\n1\n" + strings.Repeat("x", 10_000) + "\n" + strings.Repeat("7", 10_000) + "/5m\n\n" + strings.Repeat("h", 5000) + "\n\n" + strings.Repeat("y", 5000) + "\n" + strings.Repeat("z", 5000))
	f.Add(strings.Repeat("\n", 15) + "90d\noff\n60d")
	f.Add(strings.Repeat("\n", 15) + "off\n" + strings.Repeat("9", 5000) + "d\n0d")
	params, err := env.GetFieldParams(&Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		vars := map[string]string{}
		lines := strings.Split(text, "\n")
		for i, p := range params {
			if i < len(lines) {
				vars[p.Key] = lines[i]
			}
		}
		for _, name := range secrets {
			vars[name] = "canary-" + name + "-" + vars[name]
		}
		c, err := Load(environment(vars), secrets...)
		if err == nil {
			if faults := c.check(); len(faults) > 0 {
				t.Errorf("accepted with %v", faults)
			}
			return
		}
		var faults *FaultsError
		if !errors.As(err, &faults) || len(faults.Faults) == 0 {
			t.Fatalf("error %v", err)
		}
		if said := err.Error(); strings.Contains(said, "canary-") || !utf8.ValidString(said) {
			t.Errorf("error %.300q", said)
		}
		for _, fault := range faults.Faults {
			if len(fault) > 600 {
				t.Errorf("a fault of %d bytes: %.200q", len(fault), fault)
			}
		}
	})
}
