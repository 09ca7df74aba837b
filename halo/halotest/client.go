package halotest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Client is one of Halo's customers. ID 1 is by convention the "Unknown" one.
type Client struct {
	ID           int64
	Name         string
	Inactive     bool
	TopLevelID   int64 // 0: none, and the keys are left out
	TopLevelName string
	Website      string
	Ref          string
}

// record is a client with what lists need of it, made once per change.
type record struct {
	Client
	updated time.Time
	created time.Time
	text    string // what search looks through, in lower case
	row     [3][]byte
}

// newRecord renders a client's list row in every form of ids.
func newRecord(c Client, created, updated time.Time, logo int) *record {
	r := &record{Client: c, created: created, updated: updated}
	r.text = strings.ToLower(strings.Join([]string{c.Name, c.TopLevelName, c.Ref, c.Website}, "\x00"))
	for form := range r.row {
		r.row[form] = encode(r.fields(IDForm(form), logo))
	}
	return r
}

// fields are the keys of a list row. Null ones are left out, so the set
// differs from row to row (halocli's sweep). datecreated, alastupdate, domain
// and customfields are not among them.
func (r *record) fields(form IDForm, logo int) map[string]any {
	f := map[string]any{
		"id": id(r.ID, form), "name": r.Name, "key": r.ID, "table": 2, "use": "client",
		"inactive": r.Inactive, "is_vip": false, "is_account": false, "stopped": 0, "taxable": true,
		"customertype": 0, "customer_relationship": []any{}, "customer_relationship_list": "",
		"colour": "#2bd3c6", "main_site_id": id(r.ID+10_000, form), "accountsid": "",
		"client_to_invoice": 0, "excludefrominvoicesync": false, "confirmemail": 0, "actionemail": 0,
		"accountmanagertech": 0, "itglue_id": "", "calldate": stamp(r.updated, int(r.ID%8)),
	}
	if r.TopLevelID != 0 {
		f["toplevel_id"], f["toplevel_name"] = id(r.TopLevelID, form), r.TopLevelName
	}
	if r.Ref != "" {
		f["ref"] = r.Ref
	}
	if logo > 0 && r.ID%50 == 0 {
		f["logo"] = "data:image/png;base64," + strings.Repeat("A", logo)
	}
	return f
}

// detail is the object that /Client/{id} answers with.
func (r *record) detail(form IDForm) map[string]any {
	f := r.fields(form, 0)
	f["datecreated"] = stamp(r.created, 0)
	f["alastupdate"] = stamp(r.updated, 3)
	f["main_site_name"], f["main_contact_name"] = "Main", "General User"
	f["calldate"] = "1900-01-01T00:00:00" // how an empty date looks
	if r.Website != "" {
		f["website"], f["domain"] = r.Website, strings.TrimPrefix(r.Website, "https://")
	}
	f["customfields"] = []any{
		map[string]any{"id": 170, "name": "CFTier", "label": "Tier", "type": 0, "value": "gold", "display": "Gold"},
		map[string]any{"id": 171, "name": "CFSeats", "label": "Seats", "type": 1, "value": 12.5, "display": "12.5"},
		map[string]any{"id": 172, "name": "CFTags", "label": "Tags", "type": 3, "value": []int{1, 2}, "display": "a, b"},
		map[string]any{"id": 173, "name": "CFNone", "label": "None", "type": 2, "display": ""},
	}
	return f
}

// id writes a number as this Halo writes ids.
func id(n int64, form IDForm) any {
	switch form {
	case IDDouble:
		return json.RawMessage(strconv.FormatInt(n, 10) + ".0")
	case IDString:
		return strconv.FormatInt(n, 10)
	default:
		return n
	}
}

// stamp writes a date as Halo does: ISO 8601 without a zone, with 0 to 7
// digits of a second's fraction.
func stamp(t time.Time, digits int) string {
	s := t.UTC().Format("2006-01-02T15:04:05")
	if digits > 0 {
		s += fmt.Sprintf(".%09d", t.Nanosecond())[:1+min(digits, 7)]
	}
	return s
}

// encode marshals what cannot fail to marshal.
func encode(v any) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("halotest: %v", err)) // a bug of this package
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
