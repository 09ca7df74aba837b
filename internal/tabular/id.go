package tabular

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// maxID is the maximum id of a client: JSON numbers are exact up to 2^53.
const maxID = 1 << 53

// ParseID parses the id of a client as people and spreadsheets write numbers: 17, 17.0,
// 1'024 or 1,024,768. It refuses a number that has several meanings, such as 1.024.
func ParseID(text string) (int64, error) {
	id, _, err := parseID(text, 0)
	return id, err
}

// Client parses the id or the name of a client. A number is an id; anything else is a name.
func Client(text string) (id int64, name string, err error) { return parseClient(text, 0) }

func parseClient(text string, comma rune) (id int64, name string, err error) {
	id, number, err := parseID(text, comma)
	if !number {
		return 0, strings.TrimSpace(text), nil
	}
	return id, "", err
}

// digitGroups matches digits with single separators between them.
var digitGroups = regexp.MustCompile("^[0-9]+([ \u00a0\u2009\u202f'’.,][0-9]+)*$")

// The expression shortened matches scientific notation, in which spreadsheets write long
// numbers.
var shortened = regexp.MustCompile(`^[0-9]([.,][0-9]+)?[eE]\+?[0-9]+$`)

// parseID parses the id of a client. The separator of the file's cells shows whether a
// single comma or full stop groups thousands: where a comma separates cells, a full stop
// separates decimals, and vice versa. parseID also reports whether the text is a number at
// all.
func parseID(text string, comma rune) (id int64, number bool, err error) {
	text = strings.TrimSpace(text)
	invalid := fmt.Errorf("%.40q is not a client id: want a whole number from 1", text)
	if shortened.MatchString(text) {
		return 0, false, fmt.Errorf("%.40q is not a client id: a spreadsheet has shortened it; format the column as a number without decimals and save it again", text)
	}
	if !digitGroups.MatchString(text) {
		return 0, false, invalid
	}
	whole, ok := wholePart(text)
	if !ok {
		return 0, false, invalid
	}
	digits, separator := ungroup(whole)
	switch {
	case digits == "":
		return 0, false, invalid
	case len(digits) > 1 && digits[0] == '0':
		return 0, true, fmt.Errorf("%.40q is not a client id: write it without leading zeros", text)
	case separator == ' ', // may separate two ids
		whole == text && strings.Count(text, string(separator)) == 1 && (separator == ',' && comma != ',' || separator == '.' && comma != ';'):
		return 0, true, fmt.Errorf("%.40q has several meanings: write the client id without separators", text)
	}
	id, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || id < 1 || id > maxID {
		return 0, true, invalid
	}
	return id, true, nil
}

// wholePart removes decimals that are all zero. It returns false for other decimals. Three
// digits after a separator are a group of thousands unless other separators precede them.
func wholePart(text string) (string, bool) {
	last := strings.LastIndexAny(text, ".,")
	if last < 0 {
		return text, true
	}
	separator, decimals := text[last:last+1], text[last+1:]
	if strings.ContainsAny(decimals, " \u00a0\u2009\u202f'’") {
		return text, true
	}
	before := text[:last]
	grouped := strings.Trim(before, "0123456789") != "" // other separators precede
	if len(decimals) == 3 && (!grouped || strings.Contains(before, separator)) {
		return text, true
	}
	if strings.Contains(before, separator) || strings.Trim(decimals, "0") != "" {
		return "", false
	}
	return before, true
}

// ungroup removes the separator between groups of three digits and returns the digits and
// the separator. It returns an empty string if the groups are invalid. The separator is 0
// if there is none.
func ungroup(text string) (digits string, separator rune) {
	groups := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if len(groups) == 1 {
		return text, 0
	}
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
		case separator != 0 && r != separator:
			return "", 0
		default:
			separator = r
		}
	}
	if len(groups[0]) > 3 {
		return "", 0
	}
	for _, g := range groups[1:] {
		if len(g) != 3 {
			return "", 0
		}
	}
	return strings.Join(groups, ""), separator
}
