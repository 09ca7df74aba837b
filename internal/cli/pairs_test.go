package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/halosync/halosync/tasks"
)

func TestParsePair(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]tasks.Pair{
		"Bakery=12":             {Company: "Bakery", ClientID: 12},
		" Bakery = 12 ":         {Company: "Bakery", ClientID: 12},
		"a=b=The Bakery":        {Company: "a=b", ClientName: "The Bakery"},
		"crm-1=3rd Bakery":      {Company: "crm-1", ClientName: "3rd Bakery"},
		"Café=Łódź":             {Company: "Café", ClientName: "Łódź"},
		"4711=9007199254740992": {Company: "4711", ClientID: 1 << 53},
		"Bakery=17.0":           {Company: "Bakery", ClientID: 17},
		"Bakery=4.2":            {Company: "Bakery", ClientName: "4.2"},
	} {
		got, err := parsePair(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"Bakery":                      "want COMPANY=CLIENT",
		"=12":                         "company: missing",
		"Bakery=":                     "no client",
		"Bakery=0":                    "not a client id",
		"Bakery=99999999999999999999": "not a client id",
		"Bakery=1,024":                "has several meanings",
		"Bakery=007":                  "write it without leading zeros",
		"a\tb=1":                      "character 2, U+0009",
	} {
		if _, err := parsePair(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

// FuzzParsePair checks that a pair is valid and that its parts are those of the text.
func FuzzParsePair(f *testing.F) {
	for _, seed := range []string{"Bakery=12", "a=b=The Bakery", "x=1,024", "=", "a=\x00", "a=17.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePair(text)
		if err == nil && (p.Validate() != nil || !strings.Contains(text, p.Company) || !strings.Contains(text, p.ClientName)) {
			t.Errorf("%q: %+v", text, p)
		}
	})
}
