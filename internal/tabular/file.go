package tabular

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxFile is the maximum size of a file in bytes. It is larger than any valid request
	// needs. Without a limit, endless standard input would exhaust the memory.
	maxFile = 8 << 20
	// maxColumns is the maximum number of columns. The limit exists because a column takes
	// much more memory than the comma that separates it.
	maxColumns = 1000
)

// separators lists the possible cell separators.
var separators = []rune{',', ';', '\t'}

// file is the text of a file, its separator and its first row.
type file struct {
	text   []byte // from the first row on
	before int    // number of lines before text
	starts []int  // offset of each line in text
	comma  rune   // 0 until the separator is known
	first  row
	plain  bool // the file has no heading, so the first row is data
	passed PassedOver
}

// fit says how well a row fits as the first row. It is greater than plainRow for a heading,
// plainRow for a row that is data, and 0 for any other row.
type fit int

const plainRow fit = 1

// open reads a file up to its first row. The function judge says how well a row fits as the
// first row. open chooses the separator with which the first row fits best.
func open(r io.Reader, judge func(row) fit) (*file, error) {
	raw, err := readText(r)
	if err != nil {
		return nil, err
	}
	f := &file{text: raw}
	if err := f.readSeparator(); err != nil {
		return nil, err
	}
	f.skipComments()
	for i := 0; i < len(f.text); {
		f.starts = append(f.starts, i)
		n := bytes.IndexByte(f.text[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
	}
	if len(f.text) == 0 {
		return f, nil
	}
	return f, f.choose(judge)
}

// readText reads a text in UTF-8. It removes the byte order mark and replaces the line
// breaks of old Macs.
func readText(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	const zip = "PK\x03\x04"
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxFile:
		return nil, fmt.Errorf("more than %d MiB: split it", maxFile>>20)
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")), looksUTF16(raw):
		return nil, errors.New("it is UTF-16: save it as UTF-8")
	case bytes.HasPrefix(raw, []byte(zip)):
		return nil, errors.New("it is a workbook or an archive: save the sheet as CSV in UTF-8")
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if !bytes.ContainsRune(raw, '\n') {
		raw = bytes.ReplaceAll(raw, []byte{'\r'}, []byte{'\n'})
	}
	n := 0
	for line := range bytes.Lines(raw) {
		n++
		if i := bytes.IndexByte(line, 0); i >= 0 {
			return nil, fmt.Errorf("line %d: character %d is NUL: save the file as text in UTF-8", n, utf8.RuneCount(line[:i])+1)
		}
		for _, comma := range separators {
			if bytes.Count(line, []byte(string(comma))) >= maxColumns {
				return nil, fmt.Errorf("line %d: more than %d columns", n, maxColumns)
			}
		}
	}
	return raw, nil
}

// looksUTF16 reports whether the text is UTF-16 without a byte order mark: every second
// byte of its start is NUL.
func looksUTF16(raw []byte) bool {
	raw = raw[:min(len(raw), 8)]
	if len(raw) < 4 {
		return false
	}
	even, odd := 0, 0
	for i, b := range raw {
		if b == 0 && i%2 == 0 {
			even++
		} else if b == 0 {
			odd++
		}
	}
	return even == 0 && odd == len(raw)/2 || odd == 0 && even == (len(raw)+1)/2
}

// readSeparator reads a first line such as "sep=;", which spreadsheets write and
// understand.
func (f *file) readSeparator() error {
	line, rest, _ := bytes.Cut(f.text, []byte{'\n'})
	text := strings.Trim(strings.TrimRight(string(line), "\r"), `"`)
	if len(text) < len("sep=") || !strings.EqualFold(text[:len("sep=")], "sep=") {
		return nil
	}
	comma := []rune(text[len("sep="):])
	if len(comma) != 1 || !slices.Contains(separators, comma[0]) {
		return fmt.Errorf("line 1: %.20q: want a comma, a semicolon or a tab as the separator", text)
	}
	f.text, f.before, f.comma = rest, 1, comma[0]
	return nil
}

// skipComments skips the blank lines and comments before the first row.
func (f *file) skipComments() {
	for len(f.text) > 0 {
		line, rest, _ := bytes.Cut(f.text, []byte{'\n'})
		text := strings.Trim(string(line), " \t\r,;")
		if text != "" && text[0] != '#' {
			return
		}
		f.text = rest
		f.before++
		if text != "" {
			f.passed.add(f.before, comment)
		}
	}
}

// choose reads the first row with each separator and keeps the separator that fits best.
func (f *file) choose(judge func(row) fit) error {
	try := separators
	if f.comma != 0 {
		try = []rune{f.comma}
	}
	best, doubt := fit(-1), false
	var fault error
	for _, comma := range try {
		r, err := f.firstRow(comma)
		if err != nil {
			fault = errors.Join(fault, err)
			continue
		}
		fits := judge(r)
		switch {
		case fits > best, fits == 0 && best == 0 && len(r.cells) > len(f.first.cells):
			best, doubt, f.comma, f.first, f.plain = fits, false, comma, r, fits == plainRow
		case fits == best && fits > 0 && !slices.Equal(r.cells, f.first.cells):
			doubt = true
		}
	}
	switch {
	case best < 0:
		return firstOf(fault)
	case doubt:
		return fmt.Errorf("line %d: it is not clear what separates the cells: write numbers without separators, or begin the file with a line such as sep=;", f.first.line)
	}
	return nil
}

// firstOf returns the first of several joined errors.
func firstOf(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return firstOf(joined.Unwrap()[0])
	}
	return err
}

func (f *file) firstRow(comma rune) (row, error) {
	r, err := f.next(f.csv(comma), comma)
	if err != nil {
		return r, fmt.Errorf("line %d: %w", r.line, err)
	}
	return r, nil
}

func (f *file) csv(comma rune) *csv.Reader {
	c := csv.NewReader(bytes.NewReader(f.text))
	c.Comma, c.FieldsPerRecord = comma, -1
	c.TrimLeadingSpace = comma != '\t' // it would remove empty cells
	return c
}

// rows returns the rows that contain a value. If the file has a heading, they begin after
// it. An error concerns the line of its row, and the next rows can still be read.
func (f *file) rows() iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		if len(f.text) == 0 {
			return
		}
		c := f.csv(f.comma)
		for skip := !f.plain; ; {
			r, err := f.next(c, f.comma)
			if errors.Is(err, io.EOF) {
				return
			}
			if skip {
				skip = false
				continue
			}
			if err == nil && !slices.ContainsFunc(r.cells, func(cell string) bool { return cell != "" }) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// next returns the next row. After an error other than [io.EOF], the row contains only its
// line number.
func (f *file) next(c *csv.Reader, comma rune) (row, error) {
	cells, err := c.Read()
	var fault *csv.ParseError
	switch {
	case errors.As(err, &fault) && errors.Is(fault.Err, csv.ErrBareQuote) && f.hash(fault.StartLine):
		// A comment may contain quotes.
		return row{line: f.before + fault.StartLine, cells: []string{"#"}, quoted: []bool{false}, comma: comma}, nil
	case errors.As(err, &fault):
		return row{line: f.before + fault.StartLine}, fault.Err
	case err != nil:
		return row{}, err
	}
	start, _ := c.FieldPos(0)
	r := row{line: f.before + start, cells: cells, quoted: make([]bool, len(cells)), comma: comma}
	for i := range cells {
		line, column := c.FieldPos(i)
		at := f.starts[line-1] + column - 1
		r.quoted[i] = at >= 0 && at < len(f.text) && f.text[at] == '"'
		r.several = r.several || line != start || r.quoted[i] && strings.Contains(cells[i], "\n")
		r.cells[i] = strings.TrimSpace(unescape(strings.TrimSpace(cells[i])))
	}
	return r, nil
}

// hash reports whether a line of the text starts with #.
func (f *file) hash(line int) bool {
	return line >= 1 && line <= len(f.starts) && bytes.HasPrefix(f.text[f.starts[line-1]:], []byte{'#'})
}
