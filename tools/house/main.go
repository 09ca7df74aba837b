// House measures the layout of a checkout and prints a table of files,
// functions, packages, comments, options, records and statuses. With two
// checkouts, it prints both side by side.
//
//	go run . ../.. [OTHER]
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// house holds the measurements of one checkout. Tests and the modules in tools do not
// count.
type house struct {
	files, functions []int // number of lines of each
	packages         map[string]int
	lines, comments  int
	options          int // fields of the largest struct named Config or Options
	optionsOf        string
	records          map[string][]string // packages that declare a struct with these JSON tags
	bare             int                 // number of fields of type string named Kind, State or Outcome
	statuses         []string            // files with a literal that sets the HTTP status of an error
}

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "house: want one or two folders")
		os.Exit(2)
	}
	var all []*house
	for _, dir := range os.Args[1:] {
		h, err := measure(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "house:", err)
			os.Exit(1)
		}
		all = append(all, h)
	}
	var table strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&table, "| %s |", row.title)
		for _, h := range all {
			fmt.Fprintf(&table, " %s |", row.value(h))
		}
		fmt.Fprintln(&table)
	}
	if _, err := os.Stdout.WriteString(table.String()); err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(1)
	}
}

var rows = []struct {
	title string
	value func(*house) string
}{
	{"production files", func(h *house) string { return strconv.Itoa(len(h.files)) }},
	{"lines of a file: median, p90, maximum", func(h *house) string { return spread(h.files) }},
	{"files below 60 lines", func(h *house) string { return strconv.Itoa(below(h.files, 60)) }},
	{"lines of a function: median, p90, maximum", func(h *house) string { return spread(h.functions) }},
	{"largest packages", func(h *house) string { return h.largest(5) }},
	{"share of comment lines", func(h *house) string { return fmt.Sprintf("%.0f %%", 100*float64(h.comments)/float64(h.lines)) }},
	{"options of the largest struct", func(h *house) string { return fmt.Sprintf("%d (%s)", h.options, h.optionsOf) }},
	{"JSON records declared twice", func(h *house) string { return strconv.Itoa(h.twice()) }},
	{"bare-string kinds, states, outcomes", func(h *house) string { return strconv.Itoa(h.bare) }},
	{"files that choose a status for an error", func(h *house) string { return strconv.Itoa(len(h.statuses)) + ": " + strings.Join(h.statuses, ", ") }},
}

func measure(root string) (*house, error) {
	h := &house{packages: map[string]int{}, records: map[string][]string{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); rel != "." && (name == "testdata" || strings.HasPrefix(name, ".") || rel == "tools" || rel == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		return h.add(path, rel)
	})
	return h, err
}

func (h *house) add(path, rel string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	lines := bytes.Count(text, []byte("\n"))
	pkg := filepath.ToSlash(filepath.Dir(rel))
	h.files = append(h.files, lines)
	h.packages[pkg] += lines
	h.lines += lines
	for _, group := range file.Comments {
		h.comments += set.Position(group.End()).Line - set.Position(group.Pos()).Line + 1
	}
	status := false
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			h.functions = append(h.functions, set.Position(n.End()).Line-set.Position(n.Pos()).Line+1)
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok {
				h.structure(pkg, n.Name.Name, s)
			}
		case *ast.CompositeLit:
			_, list := n.Type.(*ast.ArrayType)
			status = status || !list && chooses(n)
		}
		return true
	})
	if status {
		h.statuses = append(h.statuses, filepath.ToSlash(rel))
	}
	return nil
}

var (
	jsonTag  = regexp.MustCompile(`json:"([^",]+)`)
	httpCode = regexp.MustCompile(`^Status(Bad|Un|For|Not|Conf|Gone|Pre|Too|Req|Int|Serv|Gate)`)
)

func (h *house) structure(pkg, name string, s *ast.StructType) {
	fields := 0
	var tags []string
	for _, f := range s.Fields.List {
		fields += max(1, len(f.Names))
		if f.Tag != nil {
			if m := jsonTag.FindStringSubmatch(f.Tag.Value); m != nil {
				tags = append(tags, m[1])
			}
		}
		if id, ok := f.Type.(*ast.Ident); ok && id.Name == "string" && f.Tag == nil {
			for _, n := range f.Names {
				if slices.Contains([]string{"Kind", "State", "Outcome"}, n.Name) {
					h.bare++
				}
			}
		}
	}
	if (name == "Config" || name == "Options") && fields > h.options && pkg != "internal/config" {
		h.options, h.optionsOf = fields, pkg+"."+name
	}
	if len(tags) >= 4 {
		slices.Sort(tags)
		key := strings.Join(tags, " ")
		h.records[key] = append(h.records[key], pkg)
	}
}

// chooses reports whether a literal sets the HTTP status of an error.
func chooses(lit *ast.CompositeLit) bool {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); !ok || key.Name != "Status" {
				continue
			}
			e = kv.Value
		}
		switch e := e.(type) {
		case *ast.SelectorExpr:
			if x, ok := e.X.(*ast.Ident); ok && x.Name == "http" && httpCode.MatchString(e.Sel.Name) {
				return true
			}
		case *ast.BasicLit:
			if n, err := strconv.Atoi(e.Value); err == nil && n >= 400 && n < 600 && len(lit.Elts) > 1 && isKeyed(lit) {
				return true
			}
		}
	}
	return false
}

func isKeyed(lit *ast.CompositeLit) bool {
	_, ok := lit.Elts[0].(*ast.KeyValueExpr)
	return ok
}

func (h *house) twice() (n int) {
	for _, pkgs := range h.records {
		if len(slices.Compact(slices.Sorted(slices.Values(pkgs)))) > 1 {
			n++
		}
	}
	return n
}

func (h *house) largest(n int) string {
	names := slices.SortedFunc(maps.Keys(h.packages), func(a, b string) int { return h.packages[b] - h.packages[a] })
	var out []string
	for _, name := range names[:min(n, len(names))] {
		out = append(out, fmt.Sprintf("%s %d", name, h.packages[name]))
	}
	return strings.Join(out, ", ")
}

func spread(n []int) string {
	slices.Sort(n)
	if len(n) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d, %d, %d", n[len(n)/2], n[len(n)*9/10], n[len(n)-1])
}

func below(n []int, limit int) (count int) {
	for _, v := range n {
		if v < limit {
			count++
		}
	}
	return count
}
