package halotest

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"
)

// Client is a client as the simulator stores it. The fields with a JSON key can
// be written by POST /Client, and so can ID and TopLevelID.
type Client struct {
	ID           int64         `json:"-"` // 0 in Add: the next free id
	Name         string        `json:"name"`
	Inactive     bool          `json:"inactive"`
	VIP          bool          `json:"is_vip"`
	TopLevelID   int64         `json:"-"` // 0: no top level
	TopLevelName string        `json:"-"` // "": the key is omitted
	Ref          string        `json:"ref"`
	AccountsID   string        `json:"accountsid"` // key in the accounting package
	Website      string        `json:"website"`
	Phone        string        `json:"main_phonenumber"`
	Email        string        `json:"accountsemailaddress"` // address of the accounts department
	Notes        string        `json:"notes"`                // shown in a list only with includenotes
	Domain       string        `json:"domain"`               // shown only in the detail
	MainSiteID   int64         `json:"-"`                    // 0 in Add: derived from the id; negative: no main site
	Created      time.Time     `json:"-"`                    // shown only in the detail
	Updated      time.Time     `json:"-"`                    // shown only in the detail; set by every change
	CustomFields []CustomField `json:"-"`
	Raw          string        `json:"-"` // if not empty: the JSON of both row and detail, valid or not
}

// CustomField is one field of a client's detail.
type CustomField struct {
	ID    int64
	Name  string // for example "CFContract"
	Label string
	Value any // any JSON type; nil omits the value
}

// entry is a stored client. It is immutable; a change replaces it.
type entry struct {
	Client
	row atomic.Pointer[rendered]
}

// rendered is the JSON of a list row up to the logo, with ids written in one
// form.
type rendered struct {
	form IDForm
	json []byte
}

// maxCached is the maximum number of clients for which a tenant caches rendered
// rows, at some 900 bytes each.
const maxCached = 250_000

// appendRow appends the part of the row that can be cached. It omits the logo,
// the keys that parameters add, and the closing brace.
func (e *entry) appendRow(b []byte, form IDForm, keep bool) []byte {
	if r := e.row.Load(); r != nil && r.form == form {
		return append(b, r.json...)
	}
	from := len(b)
	b = e.renderRow(b, form)
	if keep {
		e.row.Store(&rendered{form: form, json: append([]byte(nil), b[from:]...)})
	}
	return b
}

// renderRow writes the keys that a live Halo sends by default
// (Midtown-Technology-Group/halocli, sweep of 797 GETs) and the keys that known
// client libraries read from rows.
func (e *entry) renderRow(b []byte, form IDForm) []byte {
	b = appendID(append(b, `{"id":`...), e.ID, form)
	b = appendText(b, "name", e.Name)
	if e.TopLevelID != 0 {
		b = appendID(appendKey(b, "toplevel_id"), e.TopLevelID, form)
	}
	b = appendSome(b, "toplevel_name", e.TopLevelName)
	b = appendBool(b, "inactive", e.Inactive)
	b = appendBool(b, "is_vip", e.VIP)
	b = append(b, `,"is_account":false,"stopped":0,"taxable":true,"customertype":0,"table":2,"use":"client"`...)
	b = appendInt(b, "key", e.ID)
	if e.MainSiteID > 0 {
		b = appendInt(b, "main_site_id", e.MainSiteID)
	}
	b = appendSome(b, "main_phonenumber", e.Phone)
	b = appendSome(b, "ref", e.Ref)
	b = appendSome(b, "accountsemailaddress", e.Email)
	b = appendText(b, "accountsid", e.AccountsID)
	b = append(b, `,"itglue_id":"","dbc_company_id":"","cautomateid":0,"xero_tenant_id":"","snow_id":0`...)
	b = append(b, `,"client_to_invoice":0,"client_to_invoice_recurring":0,"excludefrominvoicesync":false`...)
	b = append(b, `,"invoiceduedaysextraclient":-1,"clientcurrency":"","default_currency_code":0`...)
	b = append(b, `,"item_tax_code":0,"service_tax_code":0,"prepay_tax_code":0,"contract_tax_code":0`...)
	b = append(b, `,"confirmemail":1,"actionemail":1,"clearemail":1,"mailbox_override":0,"default_mailbox_id":0,"messagegroup_id":-1`...)
	b = append(b, `,"accountmanagertech":0,"pritech":0,"sectech":0,"customer_relationship_list":""`...)
	b = append(b, `,"customer_relationship":[{"id":"1","name":"Customer"}]`...)
	b = appendTime(b, "calldate", e.Created, e.ID+1)
	return append(b, `,"colour":"`+colour(e.ID)+`"`...)
}

// colour returns one of a few colours, chosen by the client's id.
func colour(id int64) string {
	palette := [...]string{"#a75ded", "#2bd3c6", "#f5b700", "#e4572e", "#4d9078"}
	return palette[uint64(id)%uint64(len(palette))] //nolint:gosec // any remainder will do
}

// appendLogo appends the logo, which may be large and is therefore never
// cached.
func (e *entry) appendLogo(b []byte, p *settings) []byte {
	b = appendKey(b, "logo")
	if p.LogoEvery > 0 && e.ID%int64(p.LogoEvery) == 0 {
		b = append(append(b, '"'), p.logo...)
		return append(b, '"')
	}
	return append(b, `""`...)
}

// appendDetail appends the whole object that GET /Client/{id} returns.
func (e *entry) appendDetail(b []byte, p *settings) []byte {
	if e.Raw != "" {
		return append(b, e.Raw...)
	}
	b = e.appendLogo(e.renderRow(b, p.IDs), p)
	b = appendTime(b, "datecreated", e.Created, e.ID)
	b = appendTime(b, "alastupdate", e.Updated, e.ID)
	b = appendSome(b, "website", e.Website)
	b = appendSome(b, "domain", e.Domain)
	b = appendSome(b, "notes", e.Notes)
	if e.MainSiteID > 0 {
		b = append(b, `,"main_site_name":"Main"`...)
	}
	b = append(b, `,"createdfrom_id":0,"trading_name":"","tax_number":"","isopportunity":0`...)
	b = append(appendKey(b, "customfields"), '[')
	for i, f := range e.CustomFields {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.append(b)
	}
	return append(b, ']', '}')
}

func (f CustomField) append(b []byte) []byte {
	b = appendInt(append(b, `{"table":0`...), "id", f.ID)
	b = appendText(b, "name", f.Name)
	b = appendText(b, "label", f.Label)
	b = append(b, `,"summary":"","type":0`...)
	var display string
	if value, err := json.Marshal(f.Value); err == nil && f.Value != nil {
		b = append(appendKey(b, "value"), value...)
		display = strings.Trim(string(value), `"`)
	}
	return append(appendText(b, "display", display), '}')
}
