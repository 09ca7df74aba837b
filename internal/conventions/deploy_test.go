package conventions

import (
	"regexp"
	"testing"
)

// Every setting in the files in deploy is one that the programs read. A renamed or mistyped
// setting would have no effect and cause no error.
func TestDeployedSettingsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`env:"([A-Z_]+)"`).FindAllStringSubmatch(readFile(t, "internal/config/config.go"), -1) {
		known[m[1]] = true
	}
	for _, secret := range []string{"DATABASE_URL", "REDIS_URL", "HALOSYNC_KEYSET"} {
		known[secret+"_FILE"] = known[secret]
	}
	setting := regexp.MustCompile(`\b(?:HALOSYNC|DATABASE|REDIS)_[A-Z_]+\b`)
	set := 0
	files, err := readFolder(rootFolder(t), "deploy", func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		for _, name := range setting.FindAllString(text, -1) {
			if set++; !known[name] {
				t.Errorf("%s sets %s, which is not in internal/config", path, name)
			}
		}
	}
	if set < 15 {
		t.Errorf("%d settings were found", set)
	}
}
