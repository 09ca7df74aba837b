package cli

import (
	"fmt"
	"strings"

	"github.com/halosync/halosync/internal/tabular"
	"github.com/halosync/halosync/tasks"
)

// parsePair parses COMPANY=CLIENT, split at the last "=". If CLIENT is a number, it is an
// id; otherwise it is a name.
func parsePair(text string) (tasks.Pair, error) {
	i := strings.LastIndexByte(text, '=')
	if i < 0 {
		return tasks.Pair{}, fmt.Errorf("pair %.80q: want COMPANY=CLIENT", text)
	}
	p := tasks.Pair{Company: strings.TrimSpace(text[:i])}
	var err error
	if p.ClientID, p.ClientName, err = tabular.Client(text[i+1:]); err == nil {
		err = p.Validate()
	}
	if err != nil {
		return p, fmt.Errorf("pair %.80q: %w", text, err)
	}
	return p, nil
}

// mapPairs returns the pairs from the arguments and the file.
func (a *app) mapPairs(args []string, file string) ([]tasks.Pair, error) {
	var pairs []tasks.Pair
	for _, arg := range args {
		p, err := parsePair(arg)
		if err != nil {
			return nil, usagef("%v", err)
		}
		pairs = append(pairs, p)
	}
	return withFile(a, pairs, file, tabular.ReadPairs)
}
