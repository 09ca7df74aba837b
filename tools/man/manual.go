package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// write creates the pages in dir/man1 and the scripts in dir/completions. The argument
// called when is the date on the pages. With a fixed date, the same source always yields
// the same pages.
func write(root *cobra.Command, dir string, when time.Time) error {
	man, completions := filepath.Join(dir, "man1"), filepath.Join(dir, "completions")
	if err := errors.Join(os.MkdirAll(man, 0o750), os.MkdirAll(completions, 0o750)); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Date: &when, Source: "halosync " + root.Version, Manual: "halosync"}
	err := doc.GenManTree(root, header, man)
	for name, generate := range map[string]func(io.Writer) error{
		root.Name():           func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"_" + root.Name():     root.GenZshCompletion,
		root.Name() + ".fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		err = errors.Join(err, writeFile(filepath.Join(completions, name), generate))
	}
	return err
}

func writeFile(path string, generate func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(generate(f), f.Close())
}

var flags = regexp.MustCompile(`(?m)--[\w-]+`)

// missing returns the commands, flags and examples that the pages in dir lack.
func missing(root *cobra.Command, dir string) (lacks []string) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		text, err := os.ReadFile(filepath.Join(dir, "man1", name+".1"))
		if err != nil {
			lacks = append(lacks, fmt.Sprintf("%s has no page: %v", cmd.CommandPath(), err))
		}
		page := strings.ReplaceAll(string(text), `\`, "")
		wanted := []string{cmd.Short, "EXAMPLE"}
		wanted = append(wanted, flags.FindAllString(cmd.NonInheritedFlags().FlagUsages(), -1)...)
		for _, want := range wanted {
			if !strings.Contains(page, want) {
				lacks = append(lacks, fmt.Sprintf("%s: its page lacks %q", cmd.CommandPath(), want))
			}
		}
		for _, sub := range cmd.Commands() {
			if sub.Name() != "help" { // cobra's own command, which has no page
				visit(sub)
			}
		}
	}
	visit(root)
	return lacks
}
