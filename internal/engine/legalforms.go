package engine

import (
	"slices"
	"strings"
)

// legalForms are the legal forms of companies as they stand at the end of a
// name, normalised, without dots and commas. Longer ones come first, so that
// "pty ltd" is not read as "ltd" after a name that ends in "pty".
func legalForms() [][]string {
	var forms [][]string
	for _, form := range strings.Split(
		"gmbh & co kg|gmbh & co kgaa|ug haftungsbeschränkt|ug (haftungsbeschränkt)|sp z oo|spółka z oo|sp zoo|pty ltd|pty limited|(pty) ltd|"+
			"pvt ltd|private limited|pte ltd|sdn bhd|s p a|s r l|s a|co ltd|& co|ltd|limited|llc|inc|incorporated|corp|corporation|"+
			"co|company|plc|llp|lp|pty|gmbh|mbh|ag|kg|kgaa|ohg|gbr|ek|e k|ug|ev|e v|sa|sas|sasu|sarl|sàrl|sl|slu|spa|srl|sro|"+
			"lda|ltda|bv|nv|vof|aps|a/s|ab|oy|oyj|as|asa|kft|zrt|nyrt|doo|ooo|ооо|zao|kk|gk|bhd|cic|cio", "|") {
		forms = append(forms, strings.Fields(form))
	}
	slices.SortStableFunc(forms, func(a, b []string) int { return len(b) - len(a) })
	return forms
}

// knownForms does not change.
var knownForms = legalForms()

// eastern are forms that stand at either end without a blank.
func eastern() []string {
	return []string{"株式会社", "有限会社", "合同会社", "股份有限公司", "有限责任公司", "有限公司", "주식회사"}
}

// stripLegalForm splits a normalised name into what is the company's own and
// its legal form, with dots and commas gone, "and" written as "&", and "the" in
// front dropped. The first part is never empty unless the name is; taking it
// apart again changes nothing.
func stripLegalForm(norm string) (stem, form string) {
	words := nameWords(norm)
	if len(words) == 0 {
		return norm, ""
	}
	var forms []string
	for {
		n := formAtEnd(words)
		if n == 0 {
			break
		}
		forms = append(forms, strings.Join(words[len(words)-n:], " "))
		words = words[:len(words)-n]
	}
	for len(words) > 1 && words[0] == "the" {
		words = words[1:]
	}
	stem = strings.Join(words, " ")
	for _, f := range eastern() {
		rest := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(stem, f), f))
		if rest != "" && rest != stem {
			stem = rest
			forms = append(forms, f)
		}
	}
	if again, more := stripOnce(stem); again != stem {
		return again, strings.TrimSpace(more + " " + strings.Join(forms, " "))
	}
	slices.Reverse(forms)
	return stem, strings.Join(forms, " ")
}

// stripOnce goes round again for a stem that lost something at its ends.
func stripOnce(stem string) (string, string) {
	words := nameWords(stem)
	if strings.Join(words, " ") == stem && formAtEnd(words) == 0 && (len(words) < 2 || words[0] != "the") {
		return stem, ""
	}
	return stripLegalForm(stem)
}

// nameWords are the words of a name without the marks that people set or not.
func nameWords(norm string) []string {
	var words []string
	for _, w := range strings.Fields(norm) {
		w = strings.Trim(strings.ReplaceAll(w, ".", ""), ",;")
		if w == "and" {
			w = "&"
		}
		if w != "" {
			words = append(words, w)
		}
	}
	return words
}

// formAtEnd is how many words at the end are a legal form, or a "&" that one
// left behind; something always stays in front.
func formAtEnd(words []string) int {
	if len(words) > 1 && words[len(words)-1] == "&" {
		return 1
	}
	for _, form := range knownForms {
		n := len(form)
		theAlone := len(words) == n+1 && words[0] == "the"
		if n < len(words) && !theAlone && slices.Equal(words[len(words)-n:], form) {
			return n
		}
	}
	return 0
}
