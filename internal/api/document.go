package api

import (
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

const about = `Connects Halo PSA, browses its clients, imports them as companies, maps existing companies, and shows what became of it.

Words: Halo's customer is a *client*, the product's is a *company*, the pair is a *mapping*; a set of credentials is a *connection*; one execution of a request, with all its attempts, is a *run*.

Times are RFC 3339 in UTC, durations are in seconds, scores go from 0 to 1. Errors are application/problem+json (RFC 9457): detail says what happened and what to do, errors which field is wrong. Lists have a limit and an opaque cursor: give a page's next as the after of the next one. What Halo does not answer is an error (502, 504, or 429 when it limits requests), never an empty list. Unknown fields and parameters are refused.`

// document is what the library starts the document with. Its own routes for the
// document and for pages that load scripts from elsewhere are off.
func (h *Handler) document() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "halosync", Version: "1", Description: about},
			Servers: []*huma.Server{{URL: Prefix, Description: "This installation"}},
			Tags: []*huma.Tag{
				{Name: "Connections", Description: "Sets of Halo PSA credentials."},
				{Name: "Clients", Description: "Halo's customers."},
				{Name: "Suggestions", Description: "Pairs that may be the same customer."},
				{Name: "Companies", Description: "The product's customers."},
				{Name: "Mappings", Description: "Which company is which client."},
				{Name: "Runs", Description: "What was requested, and what becomes of it."},
				{Name: "Schedules", Description: "When connections are resynced by themselves."},
				{Name: "Events", Description: "Who changed what."},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{"key": {
					Type: "http", Scheme: "bearer", Description: "An API key of the tenant, as \"enqueue apikey new\" shows it once.",
				}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format(), "json": format()},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{withoutValues},
	}
}

// schemaName is a type's name in the document: the caller sees no views.
func schemaName(t reflect.Type, hint string) string {
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "View", "")
}

// serveDocument serves the document, which is written at the first request for it:
// that takes longer than all else at a worker's start. Everyone who can reach the API
// may read it; it holds nothing of any tenant.
func (h *Handler) serveDocument() {
	doc := h.huma.OpenAPI()
	if model := doc.Components.Schemas.Map()["ErrorModel"]; model != nil {
		model.Description = "An RFC 9457 problem."
	}
	if detail := doc.Components.Schemas.Map()["ErrorDetail"]; detail != nil {
		delete(detail.Properties, "value") // which is never told
	}
	if event := doc.Components.Schemas.Map()["Event"]; event != nil {
		for _, name := range []string{"before", "after"} { // JSON objects as they are stored
			p := event.Properties[name]
			p.Type, p.Nullable, p.AdditionalProperties = huma.TypeObject, true, true
		}
	}
	serve := func(path, kind string, text func() ([]byte, error)) {
		text = sync.OnceValues(text)
		h.mux.HandleFunc("GET "+Prefix+path, func(w http.ResponseWriter, _ *http.Request) {
			document, err := text()
			if err != nil {
				writeProblem(w, h.internal(err))
				return
			}
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(document) // the caller may be gone
		})
	}
	serve("/openapi.json", "application/openapi+json", doc.MarshalJSON)
	serve("/openapi.yaml", "application/openapi+yaml", doc.YAML)
}
