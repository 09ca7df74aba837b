package names

import "testing"

func TestStripLegalForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string // as in Halo
		strip string
		form  string
	}{
		{"Acme Ltd", "acme", "ltd"},
		{"Acme Ltd.", "acme", "ltd"},
		{"ACME, LIMITED", "acme", "ltd"},
		{"Acme (Ltd)", "acme", "ltd"},
		{"The Acme Group Ltd", "acme group", "ltd"},
		{"Acme L.L.C.", "acme", "llc"},
		{"Acme, LLC", "acme", "llc"},
		{"Acme, Inc.", "acme", "inc"},
		{"Acme Incorporated", "acme", "inc"},
		{"Acme Corp.", "acme", "corp"},
		{"Acme Corporation", "acme", "corp"},
		{"Smith & Co", "smith", "co"},
		{"Smith and Company", "smith", "co"},
		{"Smith & Co. Ltd", "smith", "co ltd"},
		{"Smith & Sons Ltd", "smith and sons", "ltd"},
		{"The Bread Company", "bread", "co"},
		{"Acme PLC", "acme", "plc"},
		{"Acme p.l.c.", "acme", "plc"},
		{"Acme LLP", "acme", "llp"},
		{"Acme L.P.", "acme", "lp"},
		{"Acme Pty. Ltd.", "acme", "pty ltd"},
		{"Acme (Pty) Ltd", "acme", "pty ltd"},
		{"Acme P/L", "acme", "pty ltd"},
		{"Acme Pty", "acme", "pty"},
		{"Acme Pvt Ltd", "acme", "pvt ltd"},
		{"Acme (P) Ltd", "acme", "pvt ltd"},
		{"Acme Pte Ltd", "acme", "pte ltd"},
		{"Bäcker Bau GmbH", "bäcker bau", "gmbh"},
		{"Bäcker Bau GmbH & Co. KG", "bäcker bau", "gmbh and co kg"},
		{"Bäcker Bau GmbH und Co", "bäcker bau", "gmbh and co kg"},
		{"Bäcker AG", "bäcker", "ag"},
		{"Bäcker OHG", "bäcker", "ohg"},
		{"Bäcker e.K.", "bäcker", "ek"},
		{"Bäcker e. K.", "bäcker", "ek"},
		{"Bäcker UG (haftungsbeschränkt)", "bäcker", "ug"},
		{"Sportfreunde e.V.", "sportfreunde", "ev"},
		{"Dupont S.A.", "dupont", "sa"},
		{"Dupont S. A.", "dupont", "sa"},
		{"Dupont SA", "dupont", "sa"},
		{"Dupont S.A.S.", "dupont", "sas"},
		{"Dupont SARL", "dupont", "sarl"},
		{"Dupont S.à r.l.", "dupont", "sarl"},
		{"SARL Dupont", "dupont", "sarl"},
		{"Peña S.L.", "peña", "sl"},
		{"Peña, S.L.U.", "peña", "slu"},
		{"Ferrari S.p.A.", "ferrari", "spa"},
		{"Rossi S.r.l.", "rossi", "srl"},
		{"Simões, Lda.", "simões", "lda"},
		{"Simões Ltda", "simões", "ltda"},
		{"De Vries B.V.", "de vries", "bv"},
		{"De Vries BV", "de vries", "bv"},
		{"De Vries N.V.", "de vries", "nv"},
		{"Kjær ApS", "kjær", "aps"},
		{"Kjær A/S", "kjær", "as"},
		{"Lindström AB", "lindström", "ab"},
		{"Järvinen Oy", "järvinen", "oy"},
		{"Järvinen Oyj", "järvinen", "oyj"},
		{"Nygård ASA", "nygård", "asa"},
		{"Wójcik Sp. z o.o.", "wójcik", "sp z oo"},
		{"Wójcik sp. z o. o.", "wójcik", "sp z oo"},
		{"Dvořák s.r.o.", "dvořák", "sro"},
		{"Dvořák, spol. s r.o.", "dvořák", "sro"},
		{"Dvořák a.s.", "dvořák", "as"},
		{"Szabó Kft.", "szabó", "kft"},
		{"Horvat d.o.o.", "horvat", "doo"},
		{"ООО «Ромашка»", "ромашка", "ooo"},
		{"OOO Romashka", "romashka", "ooo"},
		{"ТОВ «Іваненко»", "іваненко", "тов"},
		{"Νικολάου Τρόφιμα Α.Ε.", "νικολάου τρόφιμα", "αε"},
		{"Sakura K.K.", "sakura", "kk"},
		{"Maju Sdn. Bhd.", "maju", "sdn bhd"},
		{"日本商事株式会社", "日本商事", "株式会社"},
		{"㈱日本商事", "日本商事", "株式会社"},
		{"上海餐饮有限公司", "上海餐饮", "有限公司"},
		{"上海餐饮股份有限公司", "上海餐饮", "股份有限公司"},
		{"주식회사 한빛", "한빛", "주식회사"},

		{"Harrow & Wells", "harrow and wells", ""},
		{"Müller und Söhne", "müller and söhne", ""},
		{"Huber + Partner", "huber and partner", ""},
		{"St. John's", "st john's", ""},
		{"A.B.C. Foods Ltd", "abc foods", "ltd"},
		{"Co-op Foods", "co-op foods", ""},
		{"Agathe AG", "agathe", "ag"},
		{"Acme - ", "acme", ""},
		{"Day Spa", "day spa", ""},
		{"Gaming PC", "gaming pc", ""},
		{"Incorporated Church", "incorporated church", ""},
		{"Costco", "costco", ""},
		{"SAS Institute", "sas institute", ""},
		// A name that consists only of a form keeps it.
		{"Ltd", "ltd", ""},
		{"Ltd Ltd", "ltd", "ltd"},
		{"The Company Ltd", "company", "ltd"},
		{"The", "the", ""},
		{"株式会社", "株式会社", ""},
		{", Inc.", "inc", ""},
		{"&", "and", ""},
		{"--", "--", ""},
		{",", ",", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		name, form := StripLegalForm(Normalise(tt.name))
		if name != tt.strip || form != tt.form {
			t.Errorf("%q: %q, form %q; want %q, form %q", tt.name, name, form, tt.strip, tt.form)
		}
	}
}

func FuzzStripLegalForm(f *testing.F) {
	for _, s := range []string{
		"Acme Ltd", "The The Ltd", "& Co. KG", "s. a. s. a.", "(株)(株)", "ООО «»", "the -the", "Sp. z o. o.",
		"- , ltd -", "and and co", "co co co", "株式会社 ltd", "\"the ltd\"", "p.a. e.v", "x/a/s", "s ... a s", "a,ltd", "x . & . co",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		norm := Normalise(s)
		once, _ := StripLegalForm(norm)
		if twice, _ := StripLegalForm(once); twice != once {
			t.Errorf("%q: %q, again %q", norm, once, twice)
		}
		if (once == "") != (norm == "") {
			t.Errorf("%q became %q", norm, once)
		}
	})
}
