package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// stripLegalForm splits a name that [NormaliseName] has made into what is the
// company's own and its legal form. The form, at the end or in front where
// that is the custom, comes in one spelling, "ltd" for "Limited", and is empty
// if there is none. With it go "the" in front, dots, and punctuation at both
// ends; "&" becomes "and". The stem is for comparing, never for showing. It is
// empty only if the name is, and applying this to it changes nothing.
func stripLegalForm(norm string) (stem, form string) {
	stem = tidy(joinWords(norm))
	if stem == "" {
		return norm, "" // commas only
	}
	var forms []string
	for {
		rest, found := cutForm(stem)
		if rest == stem {
			rest = tidy(joinWords(strings.ReplaceAll(stem, ".", "")))
		}
		if rest == stem || bare(rest) == "" {
			return stem, strings.Join(forms, " ")
		}
		if found != "" {
			forms = append([]string{found}, forms...)
		}
		stem = rest
	}
}

// joinWords writes the words of a name with one blank between them, and the
// word that joins two names in one way.
func joinWords(name string) string {
	words := strings.Fields(wordBounds.Replace(name))
	for i, w := range words {
		switch w {
		case "&", "+", "und", "et":
			words[i] = "and"
		}
	}
	return strings.Join(words, " ")
}

var wordBounds = strings.NewReplacer("&", " & ", ",", " ", ";", " ")

// cutForm takes one form, or "the", off a name; the same name says that there
// is none, or nothing else.
func cutForm(name string) (rest, form string) {
	if rest, ok := strings.CutPrefix(name, "the "); ok && bare(rest) != "" {
		return tidy(rest), ""
	}
	if rest, form, ok := cutAffix(name); ok {
		return rest, form
	}
	words := strings.Fields(name)
	for n := min(len(words)-1, maxFormWords); n > 0; n-- {
		if form := formOf(words[len(words)-n:], formsAtEnd); form != "" {
			if rest := strings.Join(words[:len(words)-n], " "); bare(rest) != "" {
				return tidy(rest), form
			}
		}
	}
	if len(words) > 1 {
		if form := formOf(words[:1], formsInFront); form != "" {
			if rest := strings.Join(words[1:], " "); bare(rest) != "" {
				return tidy(rest), form
			}
		}
	}
	return name, ""
}

// cutAffix takes off a form that is written without a blank, as in Chinese,
// Japanese and Korean.
func cutAffix(name string) (rest, form string, ok bool) {
	for _, f := range affixes {
		rest, ok := strings.CutSuffix(name, f.text)
		if !ok {
			rest, ok = strings.CutPrefix(name, f.text)
		}
		if ok && bare(rest) != "" {
			return tidy(rest), f.form, true
		}
	}
	return name, "", false
}

// formOf looks words up as a form. Letters that stand alone count as one
// word: "s. a." is "sa". Some words are a form with dots in them only.
func formOf(words []string, forms map[string]string) string {
	var b strings.Builder
	dotted, single := false, false
	for _, word := range words {
		word = strings.Trim(word, "()[]")
		plain := formMarks.Replace(word)
		alone := utf8.RuneCountInString(plain) == 1
		dotted = dotted || strings.ContainsAny(strings.TrimSuffix(word, "."), "./") || alone && single
		if b.Len() > 0 && (!alone || !single) {
			b.WriteByte(' ')
		}
		b.WriteString(plain)
		single = alone
	}
	key := b.String()
	if formsWithDots[key] && !dotted {
		return ""
	}
	return forms[key]
}

var formMarks = strings.NewReplacer(".", "", "/", "", "'", "")

// tidy drops punctuation and blanks at both ends, unless there is nothing
// else.
func tidy(name string) string {
	if bare := bare(name); bare != "" {
		return bare
	}
	return name
}

func bare(name string) string {
	return strings.TrimFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`.,;:/|-_"'`, r)
	})
}
