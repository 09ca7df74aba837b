package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fileMode writes a file with a mode, regardless of the umask.
func fileMode(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file with a secret is always refused if other users may change it, and it is refused
// if they may read it unless the setting permits this. The message contains the
// variable, the file, the mode and the command that corrects the mode.
func TestSecretFileModes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode            os.FileMode
		private, shared string // the command in the message; empty: accepted
	}{
		{0o600, "", ""}, {0o400, "", ""}, {0o440, "", ""}, {0o640, "", ""}, {0o700, "", ""},
		{0o644, "chmod o-r ", ""}, {0o444, "chmod o-r ", ""}, {0o604, "chmod o-r ", ""},
		{0o666, "chmod go-w,o-r ", "chmod go-w "}, {0o664, "chmod go-w,o-r ", "chmod go-w "},
		{0o660, "chmod go-w ", "chmod go-w "}, {0o602, "chmod go-w ", "chmod go-w "}, {0o620, "chmod go-w ", "chmod go-w "},
	} {
		for setting, command := range map[string]string{"": tt.private, "private": tt.private, "shared": tt.shared} {
			for _, name := range secrets {
				path := fileMode(t, "http://u:hunter2@h:1/d\n", tt.mode)
				if name == DatabaseURL {
					path = fileMode(t, "postgres://u:hunter2@h:1/d\n", tt.mode)
				}
				mounted := filepath.Join(t.TempDir(), "link") // Kubernetes mounts links
				if err := os.Symlink(path, mounted); err != nil {
					t.Fatal(err)
				}
				for _, path := range []string{path, mounted} {
					_, err := Load(environment(map[string]string{name + "_FILE": path, "HALOSYNC_SECRET_FILES": setting}))
					switch {
					case command == "" && err != nil:
						t.Errorf("%s, mode %04o, %q: %v", name, tt.mode, setting, err)
					case command != "" && (err == nil || strings.Contains(err.Error(), "faults")),
						command != "" && !strings.Contains(err.Error(), fmt.Sprintf("%s_FILE: %s has mode %04o, so other users may ", name, path, tt.mode)),
						command != "" && !strings.Contains(err.Error(), "run "+command+path),
						command != "" && (strings.Contains(err.Error(), "set HALOSYNC_SECRET_FILES=shared") != (command == "chmod o-r ") || strings.Contains(err.Error(), "hunter2")):
						t.Errorf("%s, mode %04o, %q: %v", name, tt.mode, setting, err)
					}
				}
			}
		}
	}
	if _, err := Load(environment(map[string]string{"HALOSYNC_SECRET_FILES": "0644"})); err == nil || !strings.Contains(err.Error(), `HALOSYNC_SECRET_FILES is "0644": want private or shared`) {
		t.Errorf("unknown setting: %v", err)
	}
}

// A private key in a URL is a secret, too. Everyone may read a certificate, but no other
// user may change it.
func TestModesOfOtherFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value, what string // %s in value is the file
		private           bool
	}{
		{caFile, "%s", caFile + ": ", false},
		{RedisURL, "rediss://:hunter2@h/0?ca_file=%s", RedisURL + ": ca_file: ", false},
		{RedisURL, "rediss://:hunter2@h/0?cert_file=%s", RedisURL + ": cert_file: ", false},
		{RedisURL, "rediss://:hunter2@h/0?x=1&key_file=%s", RedisURL + ": key_file: ", true},
		{DatabaseURL, "postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=%s", DatabaseURL + ": sslrootcert: ", false},
		{DatabaseURL, "postgres://u:hunter2@h/d?sslkey=%s", DatabaseURL + ": sslkey: ", true},
	} {
		for mode, command := range map[os.FileMode]string{0o600: "", 0o640: "", 0o644: "chmod o-r ", 0o664: "chmod go-w"} {
			path := fileMode(t, "pem", mode)
			_, err := Load(environment(map[string]string{tt.name: fmt.Sprintf(tt.value, path)}))
			if command == "" || mode == 0o644 && !tt.private {
				if err != nil {
					t.Errorf("%s, mode %04o: %v", tt.what, mode, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.what+path) || !strings.Contains(err.Error(), command) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s, mode %04o: %v", tt.what, mode, err)
			}
		}
		if _, err := Load(environment(map[string]string{tt.name: fmt.Sprintf(tt.value, "/none")})); err != nil {
			t.Errorf("%s, no such file: %v", tt.what, err)
		}
	}
}
