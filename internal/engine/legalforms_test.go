package engine

import "testing"

func TestStripLegalForm(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"Acme Ltd":                       {"acme", "ltd"},
		"Acme Ltd.":                      {"acme", "ltd"},
		"ACME, L.L.C.":                   {"acme", "llc"},
		"The Bakery Limited":             {"bakery", "limited"},
		"Smith and Sons Pty Ltd":         {"smith & sons", "pty ltd"},
		"Smith & Co":                     {"smith", "& co"},
		"Huber GmbH & Co. KG":            {"huber", "gmbh & co kg"},
		"Łódź Stavby Sp. z o.o.":         {"łódź stavby", "sp z oo"},
		"Rossi S.p.A.":                   {"rossi", "spa"},
		"Nielsen A/S":                    {"nielsen", "a/s"},
		"Muster UG (haftungsbeschränkt)": {"muster", "ug (haftungsbeschränkt)"},
		"株式会社トヨタ":                        {"トヨタ", "株式会社"},
		"Company":                        {"company", ""},
		"The Company":                    {"company", ""},
		"Limited Ltd":                    {"limited", "ltd"},
		"Co-op Foods":                    {"co-op foods", ""},
		"St. John's":                     {"st john's", ""},
		"Agathe AG":                      {"agathe", "ag"},
		"...":                            {"...", ""},
	} {
		stem, form := stripLegalForm(NormaliseName(name))
		if got := [2]string{stem, form}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func FuzzStripLegalForm(f *testing.F) {
	for _, s := range []string{"Acme Ltd", "The The Co", "& & co", "株式会社", "a. b. , ltd.", "the", "s . a .", "株式会社 ltd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		norm := NormaliseName(name)
		stem, _ := stripLegalForm(norm)
		if again, form := stripLegalForm(stem); again != stem {
			t.Errorf("%q became %q and then %q (%s)", norm, stem, again, form)
		}
		if stem == "" && norm != "" {
			t.Errorf("nothing is left of %q", norm)
		}
	})
}
