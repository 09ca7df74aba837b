package console

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/plaintext"
)

// faults are what is wrong with a form, by the name of the field.
type faults map[string]string

// add notes what is wrong with a field; what was found first is told.
func (f faults) add(field, format string, args ...any) {
	if f[field] == "" {
		f[field] = fmt.Sprintf(format, args...)
	}
}

// searchOf reads the text of a search box.
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

// numberOf reads a whole number from 1 to most.
func numberOf(v url.Values, field string, unset, most int, wrong faults) int {
	text := strings.TrimSpace(v.Get(field))
	if text == "" {
		return unset
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		wrong.add(field, "Enter a whole number from 1 to %d.", most)
		return unset
	}
	return n
}

// eachHidden decodes the hidden fields of one name; what is wrong with them is
// told at field.
func eachHidden[T any](texts []string, field string, most int, decode func(string) (T, error), wrong faults) []T {
	if len(texts) > most {
		wrong.add(field, "%s are chosen, but %s is the maximum. Start again from the menu.", count(len(texts)), count(most))
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

// sentence makes an error's text one for a page.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
