package api

import (
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

const about = `Connects Halo PSA, browses its clients, imports them as companies, maps existing companies, and reports the results.

Terms: a customer in Halo is a *client*, a customer in the product is a *company*, and a *mapping* pairs a company with a client. A *connection* is a set of credentials. A *run* is one request with all its attempts.

Times are RFC 3339 in UTC, durations are in seconds, and scores range from 0 to 1. Errors are application/problem+json (RFC 9457): the field detail says what happened and what to do, and the field errors lists the invalid fields. Lists have a limit and an opaque cursor: pass the value of next as the parameter after of the next request. If Halo does not answer, the response is an error (502, 504, or 429 when Halo limits requests), never an empty list. Unknown fields and parameters are refused.`

// document returns the parts of the OpenAPI document that no operation declares. It turns
// off the library's own routes, because their pages load scripts from other hosts.
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
				{Name: "Mappings", Description: "Pairs of a company and a client."},
				{Name: "Runs", Description: "Requests and their results."},
				{Name: "Schedules", Description: "When connections are resynced automatically."},
				{Name: "Events", Description: "Who changed what."},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{"key": {
					Type: "http", Scheme: "bearer", Description: "An API key of the tenant. \"enqueue apikey new\" creates one.",
				}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format(), "json": format()},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{withoutValues},
	}
}

// schemaName returns the name of a type in the document, which is the Go name without
// "View".
func schemaName(t reflect.Type, hint string) string {
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "View", "")
}

// serveDocument serves the document. The first request generates it, because generating it
// at startup would take most of a worker's startup time. Every caller may read the
// document, because it contains no data of a tenant.
func (h *Handler) serveDocument() {
	doc := h.huma.OpenAPI()
	if model := doc.Components.Schemas.Map()["ErrorModel"]; model != nil {
		model.Description = "An RFC 9457 problem."
	}
	if detail := doc.Components.Schemas.Map()["ErrorDetail"]; detail != nil {
		delete(detail.Properties, "value") // errors never report values
	}
	if event := doc.Components.Schemas.Map()["Event"]; event != nil {
		for _, name := range []string{"before", "after"} { // JSON objects as stored
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
			_, _ = w.Write(document) // the caller may have disconnected
		})
	}
	serve("/openapi.json", "application/openapi+json", doc.MarshalJSON)
	serve("/openapi.yaml", "application/openapi+yaml", doc.YAML)
}
