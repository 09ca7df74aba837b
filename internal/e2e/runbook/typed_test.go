package runbook

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// The runbook's commands and flags exist, and its SQL runs with the programs'
// role.
func TestRunbookCanBeTyped(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	commands, queries := 0, 0
	helps := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```(\\w*)\n(.*?)```|`((?:enqueue|worker) [^`]+)`").FindAllStringSubmatch(installation.ReadFile(t, "docs/runbook.md"), -1) {
		for line := range strings.Lines(block[2] + block[3]) {
			line = strings.TrimSpace(line)
			switch {
			case block[1] == "sql" && strings.HasPrefix(line, "select "):
				queries++
				repotest.Exec(t, repotest.Worker(t, url), line)
			case strings.HasPrefix(line, "enqueue "), strings.HasPrefix(line, "worker"):
				commands++
				checkCommand(t, line, helps)
			}
		}
	}
	if commands < 20 || queries < 5 {
		t.Errorf("%d commands and %d queries found in docs/runbook.md", commands, queries)
	}
}

// checkCommand checks that a command has its own help, and that the help lists the
// flags.
func checkCommand(t *testing.T, line string, helps map[string]string) {
	t.Helper()
	words := strings.Fields(line)
	path := words[:1]
	for _, word := range words[1:] {
		if !regexp.MustCompile(`^[a-z]+$`).MatchString(word) {
			break
		}
		path = append(path, word)
	}
	name := strings.Join(path, " ")
	if helps[name] == "" {
		out, err := exec.Command(installation.Program(t, path[0]), append(path[1:], "--help")...).CombinedOutput()
		if helps[name] = string(out); err != nil || !strings.Contains(helps[name], "\n  "+name) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(line, -1) {
		if !strings.Contains(helps[name], flag+" ") {
			t.Errorf("%s: no flag %s", line, flag)
		}
	}
}
