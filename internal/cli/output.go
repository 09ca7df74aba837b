package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/tabular"
)

// column is one column of a table or CSV.
type column[T any] struct {
	title string // in snake_case, as in the JSON
	value func(T) string
	wide  bool // may be cut so that the table fits the terminal
	extra bool // left out if the table does not fit the terminal
}

// list prints items in the chosen format: a table for people, or a JSON array or CSV with a
// header for programs.
func list[T any](a *app, items []T, columns []column[T]) error {
	switch a.format {
	case "json":
		if items == nil {
			items = []T{} // an empty list must be [], not null
		}
		return printJSON(a.Out, items)
	case "csv":
		return printCSV(a.Out, items, columns)
	default:
		printTable(a.Out, a.width, items, fitting(a.width, items, columns))
		return nil
	}
}

// one prints a single item: an object in JSON, a row in CSV, or one line per field in a
// table.
func one[T any](a *app, item T, columns []column[T]) error {
	switch a.format {
	case "json":
		return printJSON(a.Out, item)
	case "csv":
		return printCSV(a.Out, []T{item}, columns)
	default:
		width := 0
		for _, c := range columns {
			width = max(width, len(c.title))
		}
		for _, c := range columns {
			if v := c.value(item); v != "" {
				fmt.Fprintf(a.Out, "%-*s  %s\n", width, strings.ReplaceAll(c.title, "_", " "), plaintext.Printable(v))
			}
		}
		return nil
	}
}

// printJSON prints an indented document. It escapes control characters that a terminal
// would execute, which does not change the value.
func printJSON(w io.Writer, v any) error {
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(plaintext.Escape(doc.Bytes()))
	return err
}

func printCSV[T any](w io.Writer, items []T, columns []column[T]) error {
	out := csv.NewWriter(w)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.title
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for _, item := range items {
		for i, c := range columns {
			row[i] = tabular.Escape(plaintext.PrintableLines(c.value(item)))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// printTable prints a plain table. If width is not 0, it is the width of the terminal, and
// the wide columns share the space that the other columns leave.
func printTable[T any](w io.Writer, width int, items []T, columns []column[T]) {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)

	header := make(table.Row, len(columns))
	for i, c := range columns {
		header[i] = strings.ReplaceAll(c.title, "_", " ")
	}
	t.AppendHeader(header)
	used := make([]int, len(columns))
	for i, c := range columns {
		used[i] = len(c.title)
	}
	for _, item := range items {
		row := make(table.Row, len(columns))
		for i, c := range columns {
			cell := plaintext.Printable(c.value(item))
			used[i] = max(used[i], text.StringWidth(cell))
			row[i] = cell
		}
		t.AppendRow(row)
	}
	t.SetColumnConfigs(fit(width, used, columns))
	for line := range strings.Lines(t.Render() + "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// comfortable is the width that a wide column gets before extra columns are shown.
const comfortable = 24

// fitting drops the extra columns if the wide columns would have to be cut to make room.
func fitting[T any](width int, items []T, columns []column[T]) []column[T] {
	if width <= 0 {
		return columns
	}
	total := 0
	for _, c := range columns {
		used := len(c.title)
		for _, item := range items {
			used = max(used, text.StringWidth(plaintext.Printable(c.value(item))))
		}
		if c.wide {
			used = min(used, comfortable)
		}
		total += used + 2
	}
	if total <= width {
		return columns
	}
	return slices.DeleteFunc(slices.Clone(columns), func(c column[T]) bool { return c.extra })
}

// fit limits the wide columns so that a row fits the terminal's width.
func fit[T any](width int, used []int, columns []column[T]) []table.ColumnConfig {
	if width <= 0 {
		return nil
	}
	rest, wide := width, 0
	for i, c := range columns {
		rest -= 2
		if c.wide {
			wide++
		} else {
			rest -= used[i]
		}
	}
	var configs []table.ColumnConfig
	for i, c := range columns {
		if !c.wide {
			continue
		}
		share := max(8, rest/wide)
		if used[i] <= share { // leaves more space for the other columns
			rest, wide = rest-used[i], wide-1
			continue
		}
		rest, wide = rest-share, wide-1
		configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: share, WidthMaxEnforcer: cut})
	}
	return configs
}

func cut(cell string, width int) string {
	return text.Snip(cell, width, "…")
}

// stamp formats a time for a table or CSV. It returns an empty string for nil.
func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
