package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// generator generates requests from the schemas of the document. Each request is valid,
// or invalid in exactly one way.
type generator struct {
	t       *rapid.T
	schemas map[string]any
	pools   map[string][]any // values of existing records, by field or parameter name
	wrong   string           // one of the values of ways; empty for a valid request
	used    bool             // the request is already invalid
}

var ways = []string{"", "", "", "missing", "unknown", "type", "query", "range", "text", "body", "kind"}

func (g *generator) coin(label string) bool { return rapid.Bool().Draw(g.t, label) }

func pick[T any](g *generator, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(g.t, label)
}

// once reports whether to make the request invalid here. It returns true at most once per
// request.
func (g *generator) once(way string) bool {
	if g.wrong != way || g.used || !g.coin(way) {
		return false
	}
	g.used = true
	return true
}

func (g *generator) resolve(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		return g.resolve(g.schemas[ref[strings.LastIndexByte(ref, '/')+1:]].(map[string]any))
	}
	return schema
}

// value returns a value for a schema.
func (g *generator) value(name string, schema map[string]any) any {
	schema = g.resolve(schema)
	kind := schema["type"]
	if kinds, ok := kind.([]any); ok {
		kind = pick(g, name, kinds...)
	}
	if g.once("type") {
		return pick[any](g, name, 1.5, true, "text", nil, []any{"x", 1}, map[string]any{"x": 1})
	}
	if enum, ok := schema["enum"].([]any); ok {
		return pick(g, name, enum...)
	}
	if pool := g.pools[name]; len(pool) > 0 && kind == "string" && rapid.IntRange(0, 9).Draw(g.t, name+" known") > 0 {
		return pick(g, name, pool...)
	}
	switch kind {
	case "object":
		return g.object(schema)
	case "array":
		items := make([]any, rapid.IntRange(int(number(schema, "minItems", 0)), 3).Draw(g.t, name))
		for i := range items {
			items[i] = g.value(name, schema["items"].(map[string]any))
		}
		return items
	case "integer":
		return g.integer(name, schema)
	case "number":
		return rapid.Float64Range(number(schema, "minimum", -9), number(schema, "maximum", 9)).Draw(g.t, name)
	case "boolean":
		return g.coin(name)
	case "null":
		return nil
	}
	return g.text(name, schema)
}

func (g *generator) integer(name string, schema map[string]any) any {
	least, most := number(schema, "minimum", -9), number(schema, "maximum", 1<<40)
	if g.once("range") {
		return pick[any](g, name, least-1, most+1, 1e300)
	}
	return pick(g, name, int64(least), int64(least)+1, int64(min(most, 130)), int64(most))
}

func (g *generator) text(name string, schema map[string]any) string {
	if g.once("text") {
		return pick(g, name, "\x00", "a\x00b", "\u202e", "\u200b", strings.Repeat("ü", 5000), "%", "'; drop table x", "\n", " ", "{}", "../..")
	}
	switch schema["format"] {
	case "uuid":
		return pick(g, name, "00000000-0000-0000-0000-000000000000", "0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172")
	case "date-time":
		return pick(g, name, "2026-01-31T08:00:00Z", "2026-01-31T08:00:00.123456+02:00")
	}
	switch pattern, _ := schema["pattern"].(string); {
	case strings.Contains(pattern, "{32}"):
		return pick(g, name, strings.Repeat("0", 32), "0193F2A4C5D77E0A9B1C2D3E4F506172")
	case pattern != "":
		return pick(g, name, "key-1", "key-2", fmt.Sprint("key-", rapid.Uint64().Draw(g.t, name)))
	}
	least, most := int(number(schema, "minLength", 0)), int(number(schema, "maxLength", 1000))
	text := pick(g, name, "", "x", "Bäckerei Brown", "*", strings.Repeat("ß", min(most, 300)), strings.Repeat("x", most))
	for len([]rune(text)) < least {
		text += "x"
	}
	return string([]rune(text)[:min(most, len([]rune(text)))])
}

func (g *generator) object(schema map[string]any) any {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	object := map[string]any{}
	for _, name := range sorted(properties) {
		needed := slices.Contains(required, any(name))
		if needed && g.once("missing") || !needed && !g.coin(name+" given") {
			continue
		}
		object[name] = g.value(name, properties[name].(map[string]any))
	}
	if g.once("unknown") {
		object["nome"] = 1
	}
	return object
}

// request returns a request for an operation of the document.
func (g *generator) request(w *world, o described, spec map[string]any) (*http.Request, map[string]string) {
	in := map[string]string{} // parameters in the path
	query, path, headers := url.Values{}, o.path, []string{}
	parameters, _ := spec["parameters"].([]any)
	for _, raw := range parameters {
		p := raw.(map[string]any)
		name, required := p["name"].(string), p["required"] == true
		if !required && !g.coin(name+" given") {
			continue
		}
		text := fmt.Sprint(g.value(name, p["schema"].(map[string]any)))
		switch p["in"] {
		case "path":
			if text == "" || strings.Trim(text, ".") == "" { // would change the path
				text = "x"
			}
			in[name] = text
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(text))
		case "query":
			query.Set(name, text)
		case "header":
			headers = append(headers, name, text)
		}
	}
	if g.once("query") {
		query.Set("nome", "1")
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return w.request(o.method, path, g.body(spec, &headers), headers...), in
}

func (g *generator) body(spec map[string]any, headers *[]string) any {
	described, ok := spec["requestBody"].(map[string]any)
	if !ok {
		return nil
	}
	schema := described["content"].(map[string]any)["application/json"].(map[string]any)["schema"].(map[string]any)
	switch {
	case g.once("body"):
		return pick(g, "body", "", "{", "null", "[]", `"x"`, `{"a":1,"a":2}`, "\xff", strings.Repeat("[", 20_000), `{}{}`)
	case g.once("kind"):
		*headers = append(*headers, "Content-Type", pick(g, "kind", "text/plain", "application/xml", "application/json; charset=utf-8", ";;"))
	}
	raw, err := json.Marshal(g.value("body", schema))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(raw)
}

func number(schema map[string]any, name string, otherwise float64) float64 {
	if n, ok := schema[name].(float64); ok {
		return n
	}
	return otherwise
}

func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
