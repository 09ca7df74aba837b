package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The API names things as the CLI's -o json does. The two share no code; this
// reads the CLI's.
func TestNamesAreTheCLIs(t *testing.T) {
	t.Parallel()
	cli := cliFields(t)
	for name, view := range map[string]any{
		"connectionView": connectionView{}, "clientView": clientView{}, "clientsView": clientsView{}, "companyView": companyView{},
		"mappingView": mappingView{}, "eventView": eventView{}, "suggestionView": suggestionView{}, "scheduleView": scheduleView{},
		"runView": runView{}, "itemView": itemView{}, "pairView": pairView{}, "undoView": undoView{}, "leftView": leftView{}, "outcomeView": outcomeView{},
	} {
		var ours []string
		for field := range reflect.TypeOf(view).Fields() {
			ours = append(ours, field.Tag.Get("json"))
		}
		theirs := slices.DeleteFunc(cli[name], func(tag string) bool { return tag == "stack,omitempty" }) // of a panic: for operators
		slices.Sort(ours)
		slices.Sort(theirs)
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s: fields %v, the CLI's %v", name, ours, theirs)
		}
	}
}

// cliFields are the JSON tags of the CLI's types, by the type's name.
func cliFields(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../../internal/cli/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	fields := map[string][]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if body, ok := spec.Type.(*ast.StructType); ok && strings.HasSuffix(spec.Name.Name, "View") {
				for _, f := range body.Fields.List {
					tag, err := strconv.Unquote(f.Tag.Value)
					if err != nil {
						t.Fatal(err)
					}
					fields[spec.Name.Name] = append(fields[spec.Name.Name], reflect.StructTag(tag).Get("json"))
				}
			}
			return true
		})
	}
	return fields
}
