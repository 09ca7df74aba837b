package tabular

import (
	"strings"
	"unicode"
)

// Escape keeps a spreadsheet from evaluating a cell as a formula, because names are
// untrusted. Some programs skip spaces and quotes before the sign, and some accept the
// sign's full-width form (OWASP, "CSV Injection"). When this package reads a file, it
// removes the quote.
func Escape(cell string) string {
	sign := strings.TrimLeftFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || r == '"' || r == '\'' })
	if strings.IndexAny(sign, "=+-@＝＋－＠") == 0 || strings.IndexAny(cell, "\t\r\n") == 0 {
		return "'" + cell
	}
	return cell
}

// unescape removes the quote that [Escape] puts before a cell.
func unescape(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && Escape(rest) != rest {
		return rest
	}
	return cell
}
