package tabular

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// summary describes what was read from a file: items, lines passed over, connection. If
// the file was refused, summary returns the error.
func summary[T any](list List[T], err error) string {
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprint(list.Items)
	for _, l := range list.PassedOver {
		text += fmt.Sprintf(" %d:%s", l.Line, l.Why)
	}
	if list.Connection != "" {
		text += " of " + list.Connection
	}
	return text
}

func TestReadIDs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"one per line":            {"17\n18\n", "[17 18]"},
		"no line break":           {"17", "[17]"},
		"names without heading":   {"17,Foo\n18,\"Bar, Ltd\"\n", "[17 18]"},
		"semicolons, no heading":  {"17;Foo, Ltd\n", "[17]"},
		"tabs, no heading":        {"17\tFoo\n", "[17]"},
		"heading":                 {"id\n17\n", "[17]"},
		"heading in words":        {"Client ID,Name\n17,Foo\n", "[17]"},
		"heading in quotes":       {"\ufeff\"Client-ID\";\"Name\"\r\n\"17\";\"Foo\"\r\n", "[17]"},
		"comments before it":      {"# chosen by \"Anna\"\n\n , \nid,name\n17,Foo\n", "[17] 1:comment"},
		"comments after it":       {"id,name\n#18,Bar\n# the \"best\"\n17,Foo\n", "[17] 2:comment 3:comment"},
		"a name with #":           {"name,id\n#2 Movers,40\n# end,\n", "[40] 3:comment"},
		"open quote in a comment": {"id,name\n# a,\"b\n17,Foo\nx\",18\n", "line 2: a quote in this comment does not end on the line: delete the quote"},
		"sep":                     {"sep=;\r\nid;name\r\n17;Foo, Ltd\r\n", "[17]"},
		"sep after a BOM":         {"\ufeff\"sep=\t\"\nid\tname\n17\tFoo\n", "[17]"},
		"sep before plain ids":    {"SEP=;\n17;Foo,Bar\n", "[17]"},
		"another sep":             {"sep=|\nid|name\n17|Foo\n", `line 1: "sep=|": want a comma, a semicolon or a tab as the separator`},
		"sep on line 2":           {"id\nsep=;\n17\n", `line 2: "sep=;" is not a client id`},
		"old Mac":                 {"id,name\r17,Foo\r18,Bar\r", "[17 18]"},
		"quoted line breaks":      {"name,id\n\"Foo\r\n13\n\",17\n", "[17]"},
		"client_id counts":        {"id,client_id\n3,17\n", "[17]"},
		"a row without an id":     {"id,name\n17,Foo\n,Total: 1\n,\n", "[17] 3:no client id"},
		"a short row":             {"name,id\nFoo\nBar,17\n", "[17] 2:no client id"},
		"decimals":                {"id\n17.0\n18.00\n", "[17 18]"},
		"decimal comma":           {"id;name\n17,0;Foo\n", "[17]"},
		"thousands":               {"id,name\n\"1,024\",Foo\n\"1,024,768\",Bar\n1\u00a0024,Baz\n1'025,Qux\n\"1,026.0\",Quux\n", "[1024 1024768 1024 1025 1026]"},
		"German thousands":        {"id;name\n1.024;Foo\n1.024,00;Bar\n1.024.768;Baz\n", "[1024 1024 1024768]"},

		"two meanings":               {"id,name\n1.024,Foo\n", `line 2: "1.024" has several meanings: write the client id without separators`},
		"two ids on one line":        {"id\n101 102\n", `line 2: "101 102" has several meanings`},
		"two meanings, tabs":         {"id\tname\n1,024\tFoo\n", `line 2: "1,024" has several meanings`},
		"thousands without quotes":   {"id,name\n1,024,Foo\n", "line 2: 3 cells, but the heading has 2 columns: put a cell that contains a comma in quotes"},
		"the same with a short row":  {"id,name,note\n1,234,Foo\n", "line 2: 1,234 may be one number: write the client id without separators; if these are two cells, put the second in quotes"},
		"a name of three digits":     {"id,name\n1,\"234\"\n", "[1]"},
		"in our own output":          {"id,name,inactive,toplevel_name,company_id,company_name\n5,360,,,,\n", "[5]"},
		"thousands without heading":  {"1,024\n", "line 1: it is not clear what separates the cells"},
		"ids on one line":            {"17, 18\n", `line 1: "17" and "18" are two numbers: write one client id per line, without separators, or begin the file with a heading such as id,name`},
		"leading zeros":              {"id\n0017\n", `line 2: "0017" is not a client id: write it without leading zeros`},
		"a spreadsheet's shortening": {"id\n1.02E+11\n", "line 2: \"1.02E+11\" is not a client id: a spreadsheet has shortened it"},
		"not whole":                  {"id\n17.5\n", `line 2: "17.5" is not a client id: want a whole number from 1`},
		"zero, negative, too large":  {"17\n0\n-3\n9999999999999999999\n", "line 2: \"0\" is not a client id: want a whole number from 1\nline 3: \"-3\" is not a client id: want a whole number from 1\nline 4: \"9999999999999999999\" is not a client id: want a whole number from 1"},
		"words":                      {"17\ntwelve\n", `line 2: "twelve" is not a client id: want a whole number from 1`},
		"many faults":                {"17\n" + strings.Repeat("x\n", 13), "line 11: \"x\" is not a client id: want a whole number from 1\nand 3 more invalid lines"},
		"unknown heading":            {"Kunden-ID;Firma\n17;Foo\n", `line 1: the heading "Kunden-ID;Firma" is not understood: want a column client_id, id or client`},
		"unknown heading, line 3":    {"# x\n\nCustomers\n17\n", `line 3: the heading "Customers" is not understood`},
		"two id columns":             {"id,ID\n17,18\n", "line 1: the heading has two columns id: rename or delete one"},
		"another record's id":        {"id,subject,client_name\n17,Printer,Foo\n", "line 1: the column id may belong to another record, because other columns name the client: rename the column with the client's id to client_id"},
		"another separator":          {"id,name\n17;Foo\n", "line 2: the heading is separated by a comma, this line by a semicolon: use one of them"},
		"unclear separator":          {"1,024;Foo\n", "line 1: it is not clear what separates the cells: write numbers without separators, or begin the file with a line such as sep=;"},
		"a stray quote":              {"id,name\n17,Foo \"x\" Bar\n", `line 2: bare " in non-quoted-field`},
		"an open quote":              {"id,name\n\"17,Foo\n18,Bar\n", "line 2: extraneous or missing \" in quoted-field"},
		"nothing":                    {"", "no client id found"},
		"only comments":              {"# only\n", "no client id found; 1 line passed over: line 1 (comment)"},
		"only unmapped companies":    {"id,name,external_id,created_at,client_id,client_name\n0193,Foo,,,,\n0194,Bar,,,,\n", "no client id found; 2 lines passed over: line 2 (no client id), line 3 (no client id)"},
		"our mappings":               {"company_name,client_name,client_id,state,connection,company_id,id\nFoo,Foo,17,ok,Acme Halo,0193,0194\n", "[17] of Acme Halo"},
		"two connections":            {"client_id,connection\n17,A\n18,B\n", `line 3: it belongs to connection "B", but line 2 belongs to "A": want a file for only one connection`},
		"Latin-1 beside the id":      {"id,name\n17,Caf\xe9\n", "[17]"},

		"UTF-16":              {"\xff\xfe1\x00\n\x00", "it is UTF-16: save it as UTF-8"},
		"UTF-16, big end":     {"\xfe\xff\x001", "it is UTF-16: save it as UTF-8"},
		"UTF-16 without mark": {"i\x00d\x00\n\x001\x00", "it is UTF-16: save it as UTF-8"},
		"UTF-16, both":        {"\x00i\x00d\x00\n\x001", "it is UTF-16: save it as UTF-8"},
		"a workbook":          {"PK\x03\x04\x14\x00\x06\x00", "it is a workbook or an archive: save the sheet as CSV in UTF-8"},
		"NUL":                 {"id\n1\x007\n", "line 2: character 2 is NUL: save the file as text in UTF-8"},
	} {
		if got := summary(ReadIDs(strings.NewReader(tc.text))); got != tc.want && (!strings.HasPrefix(tc.want, "line ") || !strings.Contains(got, tc.want)) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

func TestReadPairs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"no heading":               {"Foo,17", "[1 Foo=17]"},
		"no heading, semicolons":   {"Foo, Ltd;17\n", "[1 Foo, Ltd=17]"},
		"no heading, semicolon in": {"Foo; Ltd,17\n", "[1 Foo; Ltd=17]"},
		"no heading, comment":      {"Foo,17\n# end\n", "[1 Foo=17] 2:comment"},
		"no heading, # name":       {"Foo,17\n#2 Movers,40\n", "[1 Foo=17 2 #2 Movers=40]"},
		"heading":                  {"Company;Client\r\nFoo;17\r\nBar;The Bar\r\n", "[2 Foo=17 3 Bar=The Bar]"},
		"other way round":          {"client,company\n17,Foo\n", "[2 Foo=17]"},
		"comments and blanks":      {"# pairs\n\n ,\ncompany,client\n\nFoo, 17\n", "[6 Foo=17] 1:comment"},
		"quoted line break":        {"company,client,note\nFoo,17,\"a\nBar,18\"\nBaz,19,\n", "[2 Foo=17 4 Baz=19]"},
		"quotes":                   {"company,client\n\"#1, \"\"Best\"\"\",\"Number One\"\n", `[2 #1, "Best"=Number One]`},
		"the id counts":            {"company id,company name,client id,client name\ncrm-1,Foo,17,Bar\n", "[2 crm-1=17]"},
		"names if there is no id":  {"id,company_name,company_id,client_name,client_id\n7,Foo,,Foo Ltd,\n", "[2 Foo=Foo Ltd]"},
		"a name that is a number":  {"company,client_name\nFoo,4711\n", "[2 Foo=4711 (name)]"},
		"numbers":                  {"company,client\nA,17.0\nB,\"1,024\"\nC,4.2\n", "[2 A=17 3 B=1024 4 C=4.2]"},
		"the guard of our output":  {"company,client\n'=Foo,17\n'Tis,18\n", "[2 =Foo=17 3 'Tis=18]"},
		"not filled in":            {"company,client\nFoo,17\nBar,\n,18\nBaz\n", "[2 Foo=17] 3:no client 4:no company 5:no client"},
		"the same twice":           {"company,client\nFoo,17\nFoo,17\n", "[2 Foo=17 3 Foo=17]"},

		"our clients":     {"id,name,inactive,toplevel_name,company_id,company_name\n17,Foo Ltd,,,,Foo\n18,360,,,0193,Bar\n19,Baz,,,,\n", "[2 Foo=17 3 0193=18] 4:no company"},
		"our companies":   {"id,name,external_id,created_at,client_id,client_name\n0193,Foo,crm-1,2026,17,\n0194,Bar,,2026,,Bar Ltd\n0195,Baz,,2026,,\n", "[2 0193=17 3 0194=Bar Ltd] 4:no client"},
		"our suggestions": {"score,company_name,client_name,client_id,reason,ambiguous,company_id\n0.90,Foo,Foo Ltd,17,same name,,0193\n", "[2 0193=17]"},
		"our mappings":    {"company_name,client_name,client_id,mapped_at,connection,company_id,id\nFoo,Foo Ltd,17,2026,Acme,0193,0194\n", "[2 0193=17] of Acme"},

		"ambiguous suggestions": {"company_id,client_id,ambiguous\n0193,17,yes\n0193,18,yes\n", "line 3: line 2 has the same company with another client: keep one of the two lines"},
		"one client twice":      {"company,client\nFoo,17\nBar,17\n", "line 3: line 2 has the same client with another company: keep one of the two lines"},
		"unknown heading":       {"Firma;Kunden-ID\nFoo;17\n", `line 1: the heading "Firma;Kunden-ID" is not understood: want a column for the company (company, company_id, external_id or company_name) and one for the client (client, client_id or client_name)`},
		"half a heading":        {"company,id\nFoo,17\n", `line 1: the heading "company,id" is not understood`},
		"whose id":              {"id,name,company_name\n17,Anna,Foo\n", `line 1: the heading "id,name,company_name" is not understood`},
		"names, no heading":     {"Foo,Foo Ltd\n", `line 1: the heading "Foo,Foo Ltd" is not understood`},
		"names later on":        {"Foo,17\nBar,Bar Ltd\n", `line 2: "Bar Ltd" is not a client id: want a whole number from 1; for names of clients, begin the file with a heading such as company,client`},
		"two columns for one":   {"company,Company,client\nFoo,Bar,17\n", "line 1: the heading has two columns company: rename or delete one"},
		"a comma in a name":     {"company,client\nFoo, Ltd,17\n", "line 2: 3 cells, but the heading has 2 columns: put a cell that contains a comma in quotes"},
		"the same, no heading":  {"Foo,17\nBar, Ltd,18\n", "line 2: 3 cells: want a company and the id of a client; put a cell that contains a comma in quotes"},
		"no client":             {"Foo,17\nBar\n", "line 2: no client: want its id"},
		"no company":            {"Foo,17\n,18\n", "line 2: company: missing"},
		"not an id":             {"company,client_id\nFoo,x1\n", `line 2: "x1" is not a client id: want a whole number from 1`},
		"not UTF-8":             {"company,client\nCaf\xe9,17\n", "line 2: company: character 4 is not valid UTF-8"},
		"a direction":           {"company,client\na\u202eb,17\n", "line 2: company: character 2, U+202E, is not allowed (changes the reading direction)"},
		"a stray quote, and on": {"company,client\nB \"x\" y,2\nFoo,0\n", "line 2: bare \" in non-quoted-field\nline 3: \"0\" is not a client id"},
		"heading alone":         {"company,client\n", "no pair found"},
		"nothing filled in":     {"company,client\nFoo,\n", "no pair found; 1 line passed over: line 2 (no client)"},
		"many faults":           {"company,client_id\n" + strings.Repeat("B,x\n", 13), "and 3 more invalid lines"},
	} {
		list, err := ReadPairs(strings.NewReader(tc.text))
		texts := List[string]{PassedOver: list.PassedOver, Connection: list.Connection}
		for _, p := range list.Items {
			client := fmt.Sprint(p.ClientID)
			if p.ClientID == 0 {
				client = p.ClientName
			}
			if _, number, _ := parseID(client, 0); number && p.ClientID == 0 {
				client += " (name)"
			}
			texts.Items = append(texts.Items, fmt.Sprintf("%d %s=%s", p.Line, p.Company, client))
		}
		if got := summary(texts, err); got != tc.want && (err == nil || !strings.Contains(got, tc.want)) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

// TestFilesHaveBounds reads endless files and rows.
func TestFilesHaveBounds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"endless":         {strings.Repeat("1\n", maxFile/2+1), "more than 8 MiB: split it"},
		"a million cells": {"id,name\n1" + strings.Repeat(",", 1<<20) + "\n", "line 2: more than 1000 columns"},
	} {
		_, ids := ReadIDs(strings.NewReader(tc.text))
		_, pairs := ReadPairs(strings.NewReader(tc.text))
		for what, err := range map[string]error{"ids": ids, "pairs": pairs} {
			if err == nil || err.Error() != tc.want {
				t.Errorf("%s of %s: error %.200v, want %q", name, what, err, tc.want)
			}
		}
	}
	var passed PassedOver
	for i := range 100 {
		passed.add(i, comment)
	}
	if text := passed.String(); !strings.Contains(text, "line 9 (comment) and 90 more") {
		t.Errorf("many lines passed over: %s", text)
	}
	if _, err := ReadIDs(strings.NewReader("17\n" + strings.Repeat("x\n", maxFaults+1))); err == nil || !strings.HasSuffix(err.Error(), "\nand 1 more invalid line") {
		t.Errorf("one fault too many: %v", err)
	}
}

// FuzzReadIDs checks that each id is valid, and that the ids stay the same when they are
// written as CSV and read again.
func FuzzReadIDs(f *testing.F) {
	for _, seed := range []string{
		"12\n13,x\n", "id\n\"1\"\n", "\ufeff1\r\n", strings.Repeat("9", 70000), "sep=;\nid;name\n1.024;x\n", "# a \"b\"\nid\tname\n#1\t\n2\t\"x\ny\"\n", "id,name\n1,024,x\n", "client_id,connection\n1,a\n2,b\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ReadIDs(strings.NewReader(text))
		if (err == nil) != (len(list.Items) > 0) {
			t.Fatalf("%d ids, error %v", len(list.Items), err)
		}
		out := "client_id\n"
		for _, id := range list.Items {
			if id < 1 || id > maxID {
				t.Errorf("id %d", id)
			}
			out += fmt.Sprintln(id)
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		for _, l := range list.PassedOver {
			if l.Line < 1 || l.Line > lines {
				t.Errorf("line %d was passed over", l.Line)
			}
		}
		if again, rerr := ReadIDs(strings.NewReader(out)); err == nil && (rerr != nil || !cmp.Equal(list.Items, again.Items)) {
			t.Errorf("%v was read again as %v, error %v", list.Items, again.Items, rerr)
		}
	})
}

// FuzzReadPairs checks that each pair is valid and has a line number within the file. A
// pair stays the same when it is written as CSV and read again.
func FuzzReadPairs(f *testing.F) {
	for _, seed := range []string{
		"Bakery,11\n", "company;client\nBakery;The Bakery\n", "\ufeffclient_id,external_id\r\n12,crm-1\r\n",
		"# x\n\"a \"\"b\"\"\",c\n", "a=b,=c\n", "\"open", "'=1,2\n", ",\n;\n", "a\x00b,1\n", "\xff,1\n", "company,client\n" + strings.Repeat("x", 5000) + ",1\n",
		"company,client\n#2 Movers,40\n#x\n", "id,name,toplevel_name,company_name\n1,a,,b\n", "id,name,external_id,client_id\na,b,c,17.0\n", "sep=\t\ncompany\tclient\n\"a\nb\"\t1\n", "company,client\n'' -,1\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ReadPairs(strings.NewReader(text))
		if (err == nil) != (len(list.Items) > 0) {
			t.Fatalf("%d pairs, error %v", len(list.Items), err)
		}
		if err != nil {
			return
		}
		var out strings.Builder
		w := csv.NewWriter(&out)
		rows := [][]string{{"company", "client_id", "client_name"}}
		for i, p := range list.Items {
			if p.Validate() != nil || p.Line < 1 || p.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+1 {
				t.Fatalf("pair %+v: %v", p, p.Validate())
			}
			id := ""
			if p.ClientID != 0 {
				id = fmt.Sprint(p.ClientID)
			}
			rows = append(rows, []string{Escape(p.Company), id, Escape(p.ClientName)})
			list.Items[i].Line = i + 2
		}
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPairs(strings.NewReader(out.String()))
		if diff := cmp.Diff(list.Items, again.Items); diff != "" || err != nil {
			t.Errorf("%v (-read +read again):\n%s%s", err, diff, out.String())
		}
	})
}

// FuzzParseID checks that an id has the digits of its text.
func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"17", "17.0", "1,024", "1.024,00", "1 024", "0017", "1e5", "9007199254740993", "1,02,4", "1,024.5", "1\u00a0024"} {
		f.Add(seed, ",")
		f.Add(seed, ";")
	}
	f.Fuzz(func(t *testing.T, text, comma string) {
		separator := ','
		if comma != "," {
			separator = ';'
		}
		id, number, err := parseID(text, separator)
		if err != nil {
			return
		}
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, text)
		rest, ok := strings.CutPrefix(digits, fmt.Sprint(id))
		if !number || !ok || strings.Trim(rest, "0") != "" || id < 1 || id > maxID {
			t.Errorf("%q: %d", text, id)
		}
		if _, name, err := Client(text); err == nil && name != "" {
			t.Errorf("%q is a name", text)
		}
	})
}
