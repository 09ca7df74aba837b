package names

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Pairs of names that once became two companies.
func TestLookalikeNames(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"O´Brien", "O'Brien"}, {"O’Brien", "O'Brien"}, {"O‘Brien", "O'Brien"}, {"O`Brien", "O'Brien"}, {"O΄Brien", "O'Brien"}, {"O＇Brien", "O'Brien"},
		{"Hawaiʻi Tours", "Hawai'i Tours"}, {"Hawaiʼi Tours", "Hawai'i Tours"}, {"Kaʿaba Travel", "Ka'aba Travel"}, {"MaꞋya", "Ma'ya"},
		{"צ׳ופר", "צ'ופר"}, {"צה״ל", `צה"ל`},
		{"5′ Fence Co", "5' Fence Co"}, {"3″ Pipes", `3" Pipes`}, {"3ʺ Pipes", `3" Pipes`}, {"3˝ Pipes", `3" Pipes`},
		{"‹Inner› Works", "'Inner' Works"}, {"‚Inner‘ Works", "'Inner' Works"}, {"「Inner」 Works", "'Inner' Works"}, {"❛Inner❜ Works", "'Inner' Works"},
		{"„Inner“ Works", `"Inner" Works`}, {"»Inner« Works", `"Inner" Works`}, {"『Inner』 Works", `"Inner" Works`}, {"❝Inner❞ Works", `"Inner" Works`}, {"〝Inner〟 Works", `"Inner" Works`},
		{"Acme ⁃ West", "Acme - West"}, {"Acme ─ West", "Acme - West"}, {"Acme ﹘ West", "Acme - West"}, {"Acme ⁻ West", "Acme - West"},
		{"東京〜大阪", "東京～大阪"}, {"ジャン゠ポール", "ジャン＝ポール"}, {"A・B", "A·B"}, {"A•B", "A·B"},
		{"Acme\ufe0f Ltd", "Acme Ltd"}, {"Ac\ufe0fme Ltd", "Acme Ltd"}, {"Ac\u034fme Ltd", "Acme Ltd"}, {"Acme\u2800 Ltd", "Acme Ltd"}, {"Acme\u3164 Ltd\u3164", "Acme Ltd"},
		{"Acme\uffa0 Ltd", "Acme Ltd"}, {"Acme\u115f Ltd", "Acme Ltd"}, {"Acme\U000e0100 Ltd", "Acme Ltd"}, {"Ac\u180bme Ltd", "Acme Ltd"}, {"Cafe\u034f\u0301", "Café"},
		{"❤️ Care", "❤ Care"}, {"\u2800\u3164\ufe0f", ""},
	} {
		if got, want := Normalise(pair[0]), Normalise(pair[1]); got != want {
			t.Errorf("%q is %q, %q is %q", pair[0], got, pair[1], want)
		}
	}
	for _, pair := range [][2]string{
		{"O'Brien", "OBrien"}, {"Hawai'i", "Hawaii"}, {"5' Fence", `5" Fence`}, {"יב", "'ב"}, {"ノ", "/"}, {"ー", "-"}, {"Über", "Uber"}, {"A-B", "A~B"},
	} {
		if Normalise(pair[0]) == Normalise(pair[1]) {
			t.Errorf("%q and %q normalise to the same name", pair[0], pair[1])
		}
	}
}

// confusable holds the entries of confusables.txt (Unicode Technical Standard #39, version
// 17.0.0) that map one character to one character of ASCII punctuation, or to two
// apostrophes, which stand for " in that file. Letters, digits and combining marks are
// included.
var confusable = map[string]string{
	"!":      "！ǃⵑ",
	"&":      "ꝸ",
	"'":      "՝＇‘’‛׳′‵՚`\u1fef｀´΄\u1ffd᾽᾿῾ʹ\u0374ˈˊˋ˴ʻʽʼʾꞌיߴߵᑊᛌ𖽑𖽒",
	`"`:      "᳓＂“”‟״″‶〃˝ʺ˶ˮײ",
	"(":      "［❨❲〔﴾",
	")":      "］❩❳〕﴿",
	"*":      "⁎٭∗𐌟",
	"+":      "᛭➕𐊛𞛩",
	",":      "؍٫‚¸ꓹ",
	"-":      "‐‑‒–﹘۔⁃˗−➖ⲻⲺ",
	".":      "𝅭․܁܂꘎𐩐٠۰ꓸ",
	"/":      "᜵⁁∕⁄╱⟋⧸𝈺㇓〳ⳇⳆノ丿⼃",
	":":      "\u0903\u0a83：։܃܄᛬︰᠃᠉⁚׃˸꞉∶ːꓽ𑷙",
	";":      "\u037e",
	"<":      "‹❮˂𝈶ᐸᚲ",
	"=":      "᐀⹀゠꓿",
	">":      "›❯˃𝈷ᐳ𖼿",
	"?":      "ʔɁॽᎮꛫ",
	`\`:      "＼﹨∖⟍⧵⧹𝈏𝈻㇔丶⼂",
	"^":      "˄ˆ",
	"_":      "ߺ﹍﹎﹏",
	"{":      "❴𝄔",
	"}":      "❵",
	"~":      "⁓˜῀∼",
	"\u00a0": "\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f",
}

// decided lists the characters that this package treats differently, with the reason.
var decided = map[rune]string{
	'‚': "'", '‹': "'", '›': "'", '❮': "'", '❯': "'", // quotation marks according to their names and the property Quotation_Mark
	'［': "[", '］': "]", // NFKC
	'⼃': "丿", '⼂': "丶", // NFKC: radicals are letters
}

// Punctuation that Unicode lists as confusable with a character on the keyboard is equal
// to that character anywhere in a name.
func TestConfusablePunctuation(t *testing.T) {
	t.Parallel()
	tested := 0
	for as, all := range confusable {
		for _, r := range all {
			want := as
			if other, ok := decided[r]; ok {
				want = other
			} else if !punctuation(r) {
				if got := Normalise("a" + string(r) + "b"); got == Normalise("a"+as+"b") {
					t.Errorf("%U, a letter, digit or mark, is replaced with %q", r, as)
				}
				continue
			}
			tested++
			for _, frame := range []string{"O?Brien", "?Brien", "O Brien?", "O ?Brien? Ltd", "Ö??Brien", "日本?商事", "?", "O\u0301?\u0327n"} {
				sameNames(t, strings.ReplaceAll(frame, "?", string(r)), strings.ReplaceAll(frame, "?", want))
			}
		}
	}
	if tested < 150 {
		t.Errorf("%d characters tested", tested)
	}
}

// punctuation reports whether r is punctuation, a symbol, a space or one of the letters
// that stand for an apostrophe.
func punctuation(r rune) bool {
	return unicode.In(r, unicode.P, unicode.S, unicode.Z) || r == 'ꞌ' || unicode.Is(unicode.Lm, r) && strings.ContainsRune(confusable["'"]+confusable[`"`], r)
}

// Characters that the table does not list are replaced according to their Unicode
// properties.
func TestCharactersByProperty(t *testing.T) {
	t.Parallel()
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		switch {
		case unicode.In(r, unicode.Cc, unicode.Zs, unicode.Zl, unicode.Zp) && unicode.IsSpace(r):
			sameNames(t, "a"+string(r)+"b", "a b")
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			sameNames(t, "Ac"+string(r)+"me "+string(r)+"Ltd"+string(r), "Acme Ltd")
		case unicode.Is(unicode.Quotation_Mark, r):
			if got := Normalise("a" + string(r) + "b"); got != "a'b" && got != `a"b` {
				t.Errorf("quotation mark %U: %q", r, got)
			}
		case unicode.In(r, unicode.Dash, unicode.Pd):
			if got := Normalise("a" + string(r) + "b"); got != "a-b" && got != "a~b" && got != "a=b" {
				t.Errorf("dash %U: %q", r, got)
			}
		}
		if as, ok := lookalikes[r]; ok {
			sameNames(t, "a"+string(r)+" b", "a"+string(as)+" b")
			if unicode.In(r, unicode.L, unicode.N, unicode.M) && !unicode.Is(unicode.Lm, r) && r != 'Ꞌ' && r != 'ꞌ' {
				t.Errorf("%U is a letter, digit or combining mark", r)
			}
		}
	}
}

func sameNames(t *testing.T, a, b string) {
	t.Helper()
	for _, form := range []norm.Form{norm.NFC, norm.NFD} {
		if got, want := Normalise(form.String(a)), Normalise(b); got != want {
			t.Errorf("%q (%+q) is %q, %q is %q", a, a, got, b, want)
		}
	}
}
