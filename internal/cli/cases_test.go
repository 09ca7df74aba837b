package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFilesOfOtherPeople reads files like those that broke other integrations. It reads
// them as the option --file of "import" and "map" does. The expected value is what the
// command uses, or a part of its error.
func TestFilesOfOtherPeople(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"ids-thousands.csv":         "[1024]",
		"ids-note-linebreak.csv":    "[17]",
		"ids-two-id-columns.csv":    "[17]",
		"ids-semicolons.csv":        "[17]",
		"pairs-own-export.csv":      `Bäckerei Weiß=21""`,
		"pairs-unknown-heading.csv": `line 1: the heading "Firma;Kunden-ID" is not understood: want a column for the company (company, company_id, external_id or company_name) and one for the client (client, client_id or client_name)`,
		"pairs-hash-name.csv":       `Foo Fabrics=17"" #2 Movers=40""`,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			a := &app{Err: new(bytes.Buffer)}
			path := "../tabular/testdata/cases/" + file
			got := ""
			var err error
			if strings.HasPrefix(file, "ids-") {
				var ids []int64
				if ids, err = a.clientIDs(nil, path); err == nil {
					got = fmt.Sprint(ids)
				}
			} else {
				pairs, perr := a.mapPairs(nil, path)
				var all []string
				for _, p := range pairs {
					all = append(all, fmt.Sprintf("%s=%d%q", p.Company, p.ClientID, p.ClientName))
				}
				got, err = strings.Join(all, " "), perr
			}
			if err != nil {
				got = err.Error()
			}
			if got != want && (err == nil || !strings.Contains(got, want)) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if cases, err := os.ReadDir("../tabular/testdata/cases"); err != nil || len(cases) != 7 {
		t.Errorf("%d cases, error %v: add each file to this table", len(cases), err)
	}
}
