package console

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/plaintext"
)

// faults maps the names of invalid fields to error messages.
type faults map[string]string

// add records an error for a field, unless the field has one already.
func (f faults) add(field, format string, args ...any) {
	if f[field] == "" {
		f[field] = fmt.Sprintf(format, args...)
	}
}

// searchOf returns the text in a search box.
func searchOf(v url.Values, field string, wrong faults) string {
	text := strings.TrimSpace(v.Get(field))
	if len(text) > maxSearch {
		wrong.add(field, "Too long. Enter at most %d characters, fewer with accents.", maxSearch)
		return ""
	}
	if err := plaintext.Check(text); err != nil {
		wrong.add(field, "This text cannot be searched for: %v.", err)
		return ""
	}
	return text
}

// numberOf returns the whole number in a field, which must be from 1 to limit. It returns
// the argument unset if the field is empty or invalid.
func numberOf(v url.Values, field string, unset, limit int, wrong faults) int {
	text := strings.TrimSpace(v.Get(field))
	if text == "" {
		return unset
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		wrong.add(field, "Enter a whole number from 1 to %d.", limit)
		return unset
	}
	return n
}

// eachHidden decodes up to limit values of a hidden field. It records errors for the
// given field.
func eachHidden[T any](texts []string, field string, limit int, decode func(string) (T, error), wrong faults) []T {
	if len(texts) > limit {
		wrong.add(field, "%s are chosen, but %s is the maximum. Start again from the menu.", count(len(texts)), count(limit))
		return nil
	}
	var all []T
	for _, text := range texts {
		one, err := decode(text)
		if err != nil {
			wrong.add(field, "%s", sentence(err))
			continue
		}
		all = append(all, one)
	}
	return all
}

// sentence returns the message of an error as a sentence.
func sentence(err error) string {
	text := strings.TrimSuffix(err.Error(), ".")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
