package engine

import "strings"

// The tables of legal forms. A line holds the spellings of one form, without
// dots; the first is how it is compared and shown. They are ordinary rules of
// thumb, not law: a form that is missing costs a suggestion some score.

// formsAtEnd are written behind the name.
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

// formsWithDots are words or names of places, too: without a dot or slash in
// them ("Day Spa", "Gaming PC", "Harrisburg PA") they are left alone.
var formsWithDots = map[string]bool{
	"spa": true, "ev": true, "pc": true, "pa": true, "pl": true, "sc": true, "dd": true, "bt": true,
}

// maxFormWords is the number of words of the longest form.
const maxFormWords = 5

// spellings reads a table into a map from each spelling to its form.
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

// affixes are forms that are written without a blank, at either end; those
// that end in another come before it.
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
