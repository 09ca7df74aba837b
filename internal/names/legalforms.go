package names

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// StripLegalForm splits a normalised name into its stem and its legal form. It finds the
// form at the end or, for some forms, at the start. It returns one spelling of the form,
// for example "ltd" for "Limited", or an empty string if the name has none. The stem is
// for comparison, not for display: it has no leading "the", no dots and no punctuation at
// either end, and "&" becomes "and". It is empty only if the name is empty. Stripping the
// stem again changes nothing.
func StripLegalForm(norm string) (stem, form string) {
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

// joinWords joins the words of a name with single spaces and writes "&" as "and".
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

// cutForm removes one form, or "the", from a name. It returns the name unchanged if it
// has no form or consists only of a form.
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

// cutAffix removes a form that is written without a space, as in Chinese, Japanese and
// Korean.
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

// formOf returns the form that the given words spell, or an empty string. Consecutive
// single letters count as one word: "s. a." is "sa". Some words count as a form only if
// they contain dots.
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

// tidy removes punctuation and spaces at both ends, unless the name has nothing else.
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

// The tables of legal forms. Each line holds the spellings of one form, without dots. The
// first spelling is used for comparison and display. The tables need not be complete: a
// missing form only lowers the score of a suggestion.

// formsAtEnd are written after the name.
var formsAtEnd = spellings(`
	ltd|limited
	co ltd|company limited|company ltd|co limited|and co ltd|and company ltd|and company limited
	pty ltd|pty limited|proprietary limited|proprietary ltd|pl
	pvt ltd|pvt limited|private limited|private ltd|p ltd
	pte ltd|pte limited
	pty
	pvt
	pte
	llc|limited liability company
	inc|incorporated
	corp|corporation
	co|company|and co|and company
	plc|public limited company
	llp|limited liability partnership
	pllc
	lp|limited partnership
	pc
	pa
	cic
	dac
	gmbh|gesellschaft mbh|ges mbh|gesmbh|mbh
	ggmbh
	gmbh and co kg|gmbh co kg|gmbh and cokg|gmbh and co
	gmbh and co kgaa|gmbh co kgaa
	ag and co kg
	ug and co kg|ug haftungsbeschränkt and co kg
	ag
	kg
	kgaa
	ohg
	gbr
	ek|eingetragener kaufmann|e kfm|ekfm
	ug|ug haftungsbeschränkt|ug haftungsbeschrankt
	ev|eingetragener verein
	eg
	partg mbb|partgmbb|partg
	se
	sa|société anonyme|sociedad anónima
	sas|sasu
	sarl|sàrl|sà rl|sa rl
	eurl
	snc
	sl|sociedad limitada
	slu
	sc
	spa
	srl
	lda
	ltda
	bv
	nv
	vof
	bvba
	aps
	as
	ab
	hb
	oy
	oyj
	asa
	ans
	sp z oo|sp zoo|spółka z oo|spolka z oo|spzoo
	sp j|spj
	sp k|spk
	sro|s ro|spol s ro|spol sro
	kft
	zrt
	nyrt
	bt
	doo|доо
	dd
	jsc
	ooo|ооо
	оао
	зао
	пао
	тов
	оод
	еоод
	αε
	οε
	επε
	ικε|μικε
	kk
	gk
	sdn bhd
	bhd
	tbk
	jdoo
`)

// formsInFront are written before the name.
var formsInFront = spellings(`
	ooo|ооо
	оао
	зао
	пао
	тов
	sarl
	eurl
`)

// formsWithDots count as forms only if they contain a dot or slash, because they are also
// words or place names ("Day Spa", "Gaming PC", "Harrisburg PA").
var formsWithDots = map[string]bool{
	"spa": true, "ev": true, "pc": true, "pa": true, "pl": true, "sc": true, "dd": true, "bt": true,
}

// maxFormWords is the number of words of the longest form.
const maxFormWords = 5

// spellings converts a table to a map from each spelling to its form.
func spellings(table string) map[string]string {
	forms := make(map[string]string)
	for line := range strings.Lines(table) {
		all := strings.Split(strings.TrimSpace(line), "|")
		for _, s := range all {
			if s != "" {
				forms[s] = all[0]
			}
		}
	}
	return forms
}

// affixes are forms that are written without a space, at either end of a name. If one form
// ends in another, the longer one is listed first.
var affixes = []struct{ text, form string }{
	{"股份有限公司", "股份有限公司"},
	{"有限责任公司", "有限公司"}, {"有限責任公司", "有限公司"},
	{"有限公司", "有限公司"},
	{"株式会社", "株式会社"}, {"(株)", "株式会社"},
	{"有限会社", "有限会社"}, {"(有)", "有限会社"},
	{"合同会社", "合同会社"}, {"(同)", "合同会社"},
	{"주식회사", "주식회사"}, {"(주)", "주식회사"},
	{"유한회사", "유한회사"}, {"(유)", "유한회사"},
}
