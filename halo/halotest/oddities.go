package halotest

import "strings"

// oddities are the names that break careless programs. All of them occur in
// every seed with room for them. Every one is a name that a person could have
// typed, pasted or imported.
func oddities() []string {
	long := "The Worshipful Amalgamated Society of " + strings.Repeat("Carpenters, Joiners, Turners and ", 7) + "Allied Trades of Great Britain & Ireland Ltd"
	return []string{
		// One name as one code point and as letter and mark: equal to the eye.
		"Caf\u00e9 Ren\u00e9e Ltd", "Cafe\u0301 Rene\u0301e Ltd",
		"Å Å ngström Instruments AB", "A\u030a \u212b ngstro\u0308m Instruments AB",
		// The same name twice, and names that differ in case only.
		"Northgate Dental Practice", "Northgate Dental Practice",
		"Smith & Co", "SMITH & CO", "Smith & Co.",
		"İstanbul Lojistik A.Ş.", "istanbul lojistik a.ş.",
		"Straße & Weg GmbH", "STRASSE & WEG GMBH",
		// Blanks where nobody sees them.
		"  Leading Blanks Ltd", "Trailing Blanks Ltd  ", "Two  Blanks  Ltd", "Tab\tIn The Middle Ltd",
		"No\u00a0Break Ltd", "Zero\u200bWidth Ltd", "\ufeffByte Order Mark Ltd", "Line\nBreak Ltd",
		// Quotes, backslashes, markup, formulas, SQL, templates, paths.
		`"Quoted" Ltd`, `O'Brien & O'Neill "Builders" Ltd`, `Back\slash Ltd`, `C:\Temp & Sons`,
		"<b>Bold</b> Marketing Ltd", "<script>alert(1)</script> Web Design", "R&amp;D Services Ltd", "P&L <Finance> Ltd",
		`=cmd|'/c calc'!A1`, "=1+1 Consulting", "+44 Telecoms Ltd", "-Minus Zero Ltd", "@Home Care Ltd", "=HYPERLINK(\"http://example.invalid\",\"Invoices\")",
		"Robert'); DROP TABLE clients;--", "100% Cotton_Mill Ltd", "{{.Name}} Ltd", "${jndi:ldap://example.invalid/a}", "../../etc/passwd Ltd", "A, B; C Ltd",
		// Words that mean something to a program.
		"null", "NULL Ltd", "None", "true", "0", "42", "1e3 Ltd", "12.0", "NaN Bakery", "undefined",
		// Scripts, directions, emoji of several code points, letters outside the first plane.
		"東京ソフトウェア株式会社", "上海东方贸易有限公司", "شركة النور للتجارة ش.م.م", `חברת החשמל בע"מ`, "ООО «Ромашка»", "ไทยเทคโนโลยี จำกัด", "हिन्दी सेवा प्रा. लि.",
		"\u202eevil\u202c Ltd", "🍕 Pizza Palace 🍕", "👩\u200d👩\u200d👧\u200d👦 Family Law", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f Scottish Salmon", "𝒮𝒸𝓇𝒾𝓅𝓉 Ltd", "𠮷野家ホールディングス",
		"Zalgo Z\u0335\u0321a\u0334\u0322l\u0336g\u0335o\u0337 Ltd",
		// Length.
		long, strings.Repeat("界", 255), "X", "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch Parish Council",
	}
}
