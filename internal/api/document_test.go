package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// judge validates responses against the document that the API serves.
type judge struct{ doc *openapi3.T }

func (w *world) judge() judge {
	w.t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(w.do("GET", "/openapi.json", nil).want(200).body))
	if err != nil {
		w.t.Fatal(err)
	}
	return judge{doc}
}

// input returns the validation input of a request.
func (j judge) input(o described, r *http.Request, path map[string]string) *openapi3filter.RequestValidationInput {
	item := j.doc.Paths.Value(o.path)
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: path,
		Route: &routers.Route{Spec: j.doc, Path: o.path, PathItem: item, Method: o.method, Operation: item.GetOperation(o.method)},
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation()},
		},
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc := w.judge().doc
	if err := doc.Validate(t.Context(), openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableExamplesValidation()); err != nil || !doc.IsOpenAPI31OrLater() {
		t.Error(err)
	}
	asYAML := serve(w.Handler, w.request("GET", "/openapi.yaml", nil))
	if asYAML.Code != 200 || !strings.Contains(asYAML.Body.String(), "openapi: 3.1.0") {
		t.Errorf("YAML: %d %.200s", asYAML.Code, asYAML.Body)
	}
	if same, err := openapi3.NewLoader().LoadFromData(asYAML.Body.Bytes()); err != nil || same.Paths.Len() != doc.Paths.Len() {
		t.Errorf("YAML: %v", err)
	}
	for _, o := range w.operations() {
		if o.op.Summary == "" || len(o.op.Tags) != 1 || len(o.op.Security) != 1 || !o.scope.Valid() || !strings.Contains(o.op.Description, "Scope: `"+string(o.scope)) {
			t.Errorf("the document does not describe %s completely", o.id)
		}
		if (o.method == http.MethodGet) != (o.scope == "read") && o.id != "preview-removal" {
			t.Errorf("%s %s has scope %s", o.method, o.path, o.scope)
		}
		for _, p := range o.op.Parameters {
			if p.Description == "" && len(p.Schema.Enum) == 0 {
				t.Errorf("%s: the document does not describe parameter %s", o.id, p.Name)
			}
		}
	}
	w.mustBeComplete()
}

// mustBeComplete fails the test unless the document has exactly the expected operations.
func (w *world) mustBeComplete() {
	w.t.Helper()
	var have []string
	for _, o := range w.operations() {
		have = append(have, o.id)
	}
	want := strings.Fields(`add-company add-connection approve-run cancel-run clear-schedule delete-mapping delete-mappings
		dismiss-suggestions get-connection get-run import list-clients list-companies list-connections list-events list-mappings
		list-runs list-schedules list-suggestions map pause-connection preview-removal remove-connection request-suggestions restore-mappings
		resume-connection resync retry-run set-schedule test-connection undo-run update-connection watch-run`)
	if !slices.Equal(have, want) {
		w.t.Errorf("operations %v", have)
	}
}
