package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
)

// judge reads the document that the API serves, as a stranger would.
func (w *world) judge() validator.Validator {
	w.t.Helper()
	served := w.do("GET", "/openapi.json", nil).want(200)
	doc, err := libopenapi.NewDocument([]byte(served.body))
	if err != nil {
		w.t.Fatal(err)
	}
	v, faults := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithoutSecurityValidation())
	if len(faults) > 0 {
		w.t.Fatal(faults)
	}
	return v
}

func TestDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if ok, faults := w.judge().ValidateDocument(); !ok {
		for _, f := range faults {
			t.Errorf("%s: %s", f.Message, f.Reason)
		}
	}
	asYAML := serve(w.Handler, w.request("GET", "/openapi.yaml", nil))
	if asYAML.Code != 200 || !strings.Contains(asYAML.Body.String(), "openapi: 3.1.0") {
		t.Errorf("YAML: %d %.200s", asYAML.Code, asYAML.Body)
	}
	if doc, err := libopenapi.NewDocument(asYAML.Body.Bytes()); err != nil || doc.GetVersion() != "3.1.0" {
		t.Errorf("YAML: %v", err)
	}
	for _, o := range w.operations() {
		if o.op.Summary == "" || len(o.op.Tags) != 1 || len(o.op.Security) != 1 || !o.scope.Valid() || !strings.Contains(o.op.Description, "Scope: `"+string(o.scope)) {
			t.Errorf("%s is not described", o.id)
		}
		if (o.method == http.MethodGet) != (o.scope == "read") && o.id != "preview-removal" {
			t.Errorf("%s %s has scope %s", o.method, o.path, o.scope)
		}
		for _, p := range o.op.Parameters {
			if p.Description == "" && len(p.Schema.Enum) == 0 {
				t.Errorf("%s: parameter %s is not described", o.id, p.Name)
			}
		}
	}
	w.mustBeComplete()
}

// mustBeComplete compares the operations with those that were asked for.
func (w *world) mustBeComplete() {
	w.t.Helper()
	var have []string
	for _, o := range w.operations() {
		have = append(have, o.id)
	}
	want := strings.Fields(`add-company add-connection approve-run cancel-run clear-schedule delete-mapping delete-mappings
		dismiss-suggestions get-connection get-run import list-clients list-companies list-connections list-events list-mappings
		list-runs list-schedules list-suggestions map pause-connection preview-removal remove-connection restore-mappings
		resume-connection resync retry-run set-schedule test-connection undo-run update-connection watch-run`)
	if !slices.Equal(have, want) {
		w.t.Errorf("operations %v", have)
	}
}
