package cli

import (
	"strconv"
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
		"a\tb=1":                      "character 2, U+0009",
	} {
		if _, err := parsePair(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

func TestReadPairs(t *testing.T) {
	t.Parallel()
	brown := tasks.Pair{Company: "Bakery Brown", ClientID: 11, Line: 1}
	at := func(line int) tasks.Pair { p := brown; p.Line = line; return p }
	for name, tc := range map[string]struct {
		text string
		want []tasks.Pair
	}{
		"plain":               {"Bakery Brown,11", []tasks.Pair{brown}},
		"heading":             {"Company,Client\nBakery Brown,11\n", []tasks.Pair{at(2)}},
		"other way round":     {"client,company\n11,Bakery Brown\n", []tasks.Pair{at(2)}},
		"byte order mark":     {"\ufeffcompany;client\r\nBakery Brown;11\r\n", []tasks.Pair{at(2)}},
		"comments, blanks":    {"# pairs\n\n ,\nBakery Brown, 11\n#Bakery White,12\n", []tasks.Pair{at(4)}},
		"semicolons":          {"Bakery Brown;11\n", []tasks.Pair{brown}},
		"comma in a name":     {"Brown, Bakery;11", []tasks.Pair{{Company: "Brown, Bakery", ClientID: 11, Line: 1}}},
		"semicolon in one":    {"Brown; Bakery,11", []tasks.Pair{{Company: "Brown; Bakery", ClientID: 11, Line: 1}}},
		"quotes":              {"\"#1, \"\"Best\"\"\",\"Number One\"", []tasks.Pair{{Company: `#1, "Best"`, ClientName: "Number One", Line: 1}}},
		"two lines in one":    {"\"Bakery\",1\n\"Bakery Brown\",11", []tasks.Pair{{Company: "Bakery", ClientID: 1, Line: 1}, at(2)}},
		"columns by name":     {"id,company_name,company_id,client_name,client_id\n7,Bakery Brown,,Brown,11\n", []tasks.Pair{at(2)}},
		"the id counts":       {"company id,company name,client name\ncrm-1,Bakery,4711\n", []tasks.Pair{{Company: "crm-1", ClientName: "4711", Line: 2}}},
		"more columns":        {"Bakery Brown,11,whatever\n", []tasks.Pair{brown}},
		"our own CSV's guard": {"'=Brown,11\n'Tis,12\n", []tasks.Pair{{Company: "=Brown", ClientID: 11, Line: 1}, {Company: "'Tis", ClientID: 12, Line: 2}}},
	} {
		got, err := readPairs(strings.NewReader(tc.text))
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// The error lists the first ten faults by line and counts the remaining ones.
func TestReadPairsFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"empty":           {"# nothing\n", "no pair in it"},
		"heading alone":   {"company,client\n", "no pair in it"},
		"no client":       {"A,1\nB\nC,\n", "line 2: no client: want its id or its name\nline 3: no client: want its id or its name"},
		"no company":      {"A,1\n,2\n", "line 2: company: missing"},
		"not an id":       {"company,client_id\nA,x1\n", `line 2: "x1" is not a client id: want a whole number from 1`},
		"a stray quote":   {"A,1\nB \"x\" y,2\n,3\n", "line 2: bare \" in non-quoted-field\nline 3: company: missing"},
		"an open quote":   {"A,1\n\"B,2\nC,3\n", "line 2: extraneous or missing \" in quoted-field"},
		"more than ten":   {"A,1\n" + strings.Repeat("B\n", 13), "and 3 more invalid lines"},
		"names the tenth": {"A,1\n" + strings.Repeat("B\n", 13), "line 11: no client"},
	} {
		_, err := readPairs(strings.NewReader(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tc.want)
		}
	}
}

// FuzzReadPairs checks that each pair is valid and has a line number within the file. A
// pair stays the same when it is written as CSV and read again.
func FuzzReadPairs(f *testing.F) {
	for _, seed := range []string{
		"Bakery,11\n", "company;client\nBakery;The Bakery\n", "\ufeffclient_id,external_id\r\n12,crm-1\r\n",
		"# x\n\"a \"\"b\"\"\",c\n", "a=b,=c\n", "\"open", "'=1,2\n", ",\n;\n", "a\x00b,1\n", "\xff,1\n", strings.Repeat("x", 5000) + ",1\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := readPairs(strings.NewReader(text))
		if err != nil {
			return
		}
		var out strings.Builder
		columns := []column[tasks.Pair]{
			{title: "company", value: func(p tasks.Pair) string { return p.Company }},
			{title: "client_id", value: func(p tasks.Pair) string {
				if p.ClientID == 0 {
					return ""
				}
				return strconv.FormatInt(p.ClientID, 10)
			}},
			{title: "client_name", value: func(p tasks.Pair) string { return p.ClientName }},
		}
		for _, p := range pairs {
			if p.Validate() != nil || p.Line < 1 || p.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+1 {
				t.Fatalf("pair %+v: %v", p, p.Validate())
			}
		}
		if err := printCSV(&out, pairs, columns); err != nil {
			t.Fatal(err)
		}
		again, err := readPairs(strings.NewReader(out.String()))
		for i := range pairs {
			pairs[i].Line = i + 2
		}
		if diff := cmp.Diff(pairs, again); diff != "" || err != nil {
			t.Errorf("%v (-read +read again):\n%s%s", err, diff, out.String())
		}
	})
}
