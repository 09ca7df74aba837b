package plaintext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

func TestPlural(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 pages", 1: "1 page", 2: "2 pages", 999: "999 pages", 1000: "1,000 pages", 1234567: "1,234,567 pages", -1234: "-1,234 pages", -123: "-123 pages"} {
		if got := Plural(n, "page", "pages"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestOnePolicy(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, clean, fault string }{
		{"ASCII", "Acme & Sons", "Acme & Sons", ""},
		{"umlauts and emoji", "Büro \"Süd\" 東京 🏢", "Büro \"Süd\" 東京 🏢", ""},
		{"NUL", "A\x00B", "AB", "character 2, U+0000, is not allowed (NUL)"},
		{"escape", "A\x1b[31mB", "A[31mB", "character 2, U+001B, is not allowed (a control character)"},
		{"DEL", "AB\x7f", "AB", "character 3, U+007F, is not allowed (a control character)"},
		{"C1", "A\u009b31mB", "A31mB", "character 2, U+009B, is not allowed (a control character)"},
		{"raw C1 byte", "A\x9bB", "AB", "character 2 is not valid UTF-8"},
		{"line break", "A\r\nB", "A  B", "character 2, U+000D, is not allowed (a tab or line break)"},
		{"line separator", "A\u2028B", "A B", "character 2, U+2028, is not allowed (a tab or line break)"},
		{"next line", "A\u0085B", "A B", "character 2, U+0085, is not allowed (a tab or line break)"},
		{"override", "Acme\u202egnp.exe", "Acmegnp.exe", "character 5, U+202E, is not allowed (changes the reading direction)"},
		{"isolate", "\u2066A\u2069", "A", "character 1, U+2066, is not allowed (changes the reading direction)"},
		{"zero-width space", "Ac\u200bme", "Acme", "character 3, U+200B, is not allowed (cannot be seen)"},
		{"byte order mark", "\ufeffAcme", "Acme", "character 1, U+FEFF, is not allowed (cannot be seen)"},
		{"soft hyphen", "Ac\u00adme", "Acme", "character 3, U+00AD, is not allowed (cannot be seen)"},
		{"tags", "A\U000e0041\U000e0001", "A", "character 2, U+E0041, is not allowed (cannot be seen)"},
		{"filler", "A\u3164", "A", "character 2, U+3164, is not allowed (cannot be seen)"},
		{"noncharacter", "A\uffff\ufdd0\U0010ffff", "A", "character 2, U+FFFF, is not allowed (not a character)"},
		{"Persian with a non-joiner", "می\u200cخواهم", "می\u200cخواهم", ""},
		{"Devanagari with a joiner", "क्\u200dष", "क्\u200dष", ""},
		{"emoji with a joiner", "👩\u200d💻 Ltd", "👩\u200d💻 Ltd", ""},
		{"joiner in Latin", "Ac\u200dme", "Acme", "character 3, U+200D, is not allowed (cannot be seen)"},
		{"joiner at the end", "می\u200c", "می", "character 3, U+200C, is not allowed (cannot be seen)"},
		{"two joiners", "می\u200c\u200cخ", "می\u200cخ", "character 3, U+200C, is not allowed (cannot be seen)"},
		{"direction mark", "עברית\u200e C++", "עברית\u200e C++", ""},
		{"Arabic number sign", "\u0600١٢", "\u0600١٢", ""},
		{"variation selector", "葛\U000e0100城", "葛\U000e0100城", ""},
		{"nothing that can be seen", "\u202e\u200b\x00", "", "character 1, U+202E, is not allowed (changes the reading direction)"},
		{"replacement character", "A\ufffdB", "A\ufffdB", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Clean(tt.in, 1000); got != tt.clean {
				t.Errorf("cleaned to %+q, want %+q", got, tt.clean)
			}
			got := ""
			if err := Check(tt.in); err != nil {
				got = err.Error()
			}
			if got != tt.fault {
				t.Errorf("checked as %q, want %q", got, tt.fault)
			}
		})
	}
}

func TestCleanCuts(t *testing.T) {
	t.Parallel()
	if got := Clean(strings.Repeat("ä", 30), 10); got != strings.Repeat("ä", 10) {
		t.Errorf("cut to %q", got)
	}
	if got := Clean(strings.Repeat("a ", 30), 4); got != "a a" {
		t.Errorf("cut to %q", got)
	}
	if got := Clean("می\u200cخ", 3); got != "می" {
		t.Errorf("cut to %+q", got)
	}
}

// If Clean cuts a short string from a much longer one, the result must not keep the
// longer string in memory.
func TestCleanLetsGo(t *testing.T) {
	t.Parallel()
	padded := strings.Repeat(" ", 1000) + "Acme" + strings.Repeat(" ", 1000)
	got := Clean(padded, 1000)
	start, at := uintptr(unsafe.Pointer(unsafe.StringData(padded))), uintptr(unsafe.Pointer(unsafe.StringData(got)))
	if got != "Acme" || at >= start && at < start+uintptr(len(padded)) {
		t.Errorf("%q shares memory with its source", got)
	}
}

// The fast path for Latin letters matches the Unicode tables.
func TestRefusedLatin(t *testing.T) {
	t.Parallel()
	for r := range rune(0x400) {
		want := unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
		if refused(r) != want {
			t.Errorf("%U is refused: %t, want %t", r, !want, want)
		}
	}
}

func BenchmarkClean(b *testing.B) {
	for name, text := range map[string]string{
		"ASCII": "Eastwood & Okafor LLP", "Latin": "Sébastien & Fils Hôtellerie SAS", "Arabic": "شركة الخليج للتجارة", "Japanese": "日本商事株式会社", "odd": "Acme\tLtd\x00 ",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Clean(text, 1000)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"Acme", " \u200d\u202eA\x00\xff", "می\u200cخ", "👩\u200d💻", "a\U000e0041", "\u200d", "A \u200c B\u2028"} {
		f.Add(seed, 5)
		f.Add(seed, 1000)
	}
	f.Fuzz(func(t *testing.T, in string, most int) {
		most = 1 + (most&0x7fffffff)%1000
		out := Clean(in, most)
		if again := Clean(out, most); again != out {
			t.Errorf("%+q cleaned twice: %+q, then %+q", in, out, again)
		}
		if err := Check(out); err != nil {
			t.Errorf("%+q cleaned to %+q: %v", in, out, err)
		}
		if !utf8.ValidString(out) || strings.ContainsRune(out, 0) || utf8.RuneCountInString(out) > most || strings.TrimSpace(out) != out {
			t.Errorf("%+q cleaned to %+q", in, out)
		}
		if Check(in) == nil && strings.TrimSpace(in) == in && utf8.RuneCountInString(in) <= most && out != in {
			t.Errorf("%+q is accepted but cleaned to %+q", in, out)
		}
		for _, show := range []func(string) string{Printable, PrintableLines} {
			if shown := show(in); show(shown) != shown {
				t.Errorf("%+q shown as %+q, then %+q", in, shown, show(shown))
			}
		}
		safeJSON(t, in)
	})
}

// safeJSON checks that Escape keeps a JSON document equivalent and safe to print.
func safeJSON(t *testing.T, in string) {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	escaped := Escape(raw)
	if PrintableLines(string(escaped)) != string(escaped) {
		t.Errorf("%+q printed as %+q", in, escaped)
	}
	var back string
	if err := json.Unmarshal(escaped, &back); err != nil || back != strings.ToValidUTF8(in, "\ufffd") && utf8.ValidString(in) {
		t.Errorf("%+q came back as %+q, error %v", in, back, err)
	}
}
