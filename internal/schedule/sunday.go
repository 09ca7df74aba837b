package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// sundays rewrites the day-of-week field so that the library understands a Sunday at the
// end of the week, that is, 7 and ranges that end in 7 or sun. cron has always understood
// both 0 and 7; the library knows only 0.
func sundays(spec string) (string, error) {
	fields := strings.Fields(spec)
	if len(fields) != 5 {
		return spec, nil // the library reports it, or it is a word such as @daily
	}
	days := strings.Split(fields[4], ",")
	for i, day := range days {
		var err error
		if days[i], err = sunday(day); err != nil {
			return "", err
		}
	}
	fields[4] = strings.Join(days, ",")
	return strings.Join(fields, " "), nil
}

// sunday rewrites one item of the day-of-week field: a day, or a range with an optional
// step. Items without a Sunday at the end stay as they are.
func sunday(item string) (string, error) {
	days, step, hasStep := strings.Cut(item, "/")
	from, to, isRange := strings.Cut(days, "-")
	if !isRange {
		to = from
	}
	if to != "7" && (!isRange || !strings.EqualFold(to, "sun")) {
		return item, nil
	}
	first, every := weekday(from), 1
	if first < 0 {
		return item, nil // the library reports it
	}
	if isRange && first == 0 && to != "7" {
		return item, nil // sun-sun
	}
	if hasStep {
		var err error
		if every, err = strconv.Atoi(step); err != nil || every < 1 {
			return "", fmt.Errorf("%q: the step after / is not a whole number from 1", item)
		}
	}
	var list []string
	for day := first; day <= 7; day += every {
		if d := strconv.Itoa(day % 7); !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return strings.Join(list, ","), nil
}

// weekday returns the number of a day of the week, 0 to 7, or -1.
func weekday(day string) int {
	if n, err := strconv.Atoi(day); err == nil && n >= 0 && n <= 7 && len(day) == 1 {
		return n
	}
	return slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, strings.ToLower(day))
}
