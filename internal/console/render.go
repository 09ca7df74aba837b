package console

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages contains the templates by file name without extension.
type pages map[string]*template.Template

// shared lists the template files that are part of every page.
var shared = []string{"pages/layout.html", "pages/parts.html", "pages/wizard_parts.html"}

// loadPages parses the embedded templates. It panics if they are invalid.
func loadPages(calls template.FuncMap) pages {
	base := template.Must(template.New("").Funcs(calls).ParseFS(pageFiles, shared...))
	files, err := pageFiles.ReadDir("pages")
	if err != nil {
		panic(err)
	}
	all := make(pages)
	for _, f := range files {
		name := path.Join("pages", f.Name())
		if slices.Contains(shared, name) {
			continue
		}
		all[strings.TrimSuffix(f.Name(), ".html")] = template.Must(template.Must(base.Clone()).ParseFS(pageFiles, name))
	}
	return all
}

// execute renders a block of a page into memory.
func (p pages) execute(name, block string, data any) (string, error) {
	t := p[name]
	if t == nil {
		return "", fmt.Errorf("no page %q", name)
	}
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, block, data); err != nil {
		return "", fmt.Errorf("page %s: %w", name, err)
	}
	return b.String(), nil
}

// funcs returns the functions that templates can call.
func funcs(a assets, now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"asset":  a.url,
		"stamp":  stamp,
		"count":  count,
		"plural": plural,
		"dict":   dict,
		"took": func(r repo.Run) string {
			if r.StartedAt == nil {
				return "–"
			}
			return tookOf(r, now()).Round(100 * time.Millisecond).String()
		},
		"hex":   func(id uuid.UUID) string { return repo.Hex(id) },
		"short": func(id uuid.UUID) string { return repo.Hex(id)[:8] },
		"words": func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") }, // name of a state
		"nav":   func() []navItem { return navigation },
		// person returns the name of an actor without its kind ("user:" or "key:").
		"person": func(actor string) string {
			if _, name, ok := strings.Cut(actor, ":"); ok {
				return name
			}
			return actor
		},
		"security": func(kind repo.SecurityKind) string { return cmp.Or(securityWords[kind], string(kind)) }, // a newer worker may know more kinds
		"browser":  browserName,
		"percent":  percent,
	}
}

// navItem is an entry of the navigation.
type navItem struct{ Path, Text string }

// navigation lists the entries, which are the same on all pages.
var navigation = []navItem{
	{"/connections", "Connections"},
	{"/import", "Import companies"},
	{"/map", "Map existing company"},
	{"/mappings", "Mappings"},
	{"/companies", "Companies"},
	{"/runs", "Runs"},
	{"/events", "Events"},
}

// stamp formats a time in UTC. It returns a dash for a missing time.
func stamp(at any) template.HTML {
	var t time.Time
	switch at := at.(type) {
	case time.Time:
		t = at
	case *time.Time:
		if at != nil {
			t = *at
		}
	}
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	t = t.UTC()
	// Apart from the fixed markup, the result contains only a formatted time.
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s&nbsp;UTC</time>`, //nolint:gosec // only a formatted time
		t.Format(time.RFC3339), t.Format("2006-01-02 15:04")))
}

// count and plural have short names, because most pages use them.
var count, plural = plaintext.Count, plaintext.Plural

// dict returns a map of names to values. Templates use it for blocks with several
// parameters.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments, not pairs", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: argument %d is not a name", i+1)
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
