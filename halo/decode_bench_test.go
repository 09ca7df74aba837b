package halo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
)

// realRow is a client as Halo lists it, including keys that this package skips.
const realRow = `{"id":%d,"name":%q,"toplevel_id":%d,"toplevel_name":"Customers","inactive":%t,"is_vip":false,"is_account":false,"stopped":0,` +
	`"taxable":true,"customertype":0,"table":2,"use":"client","key":%[1]d,"main_site_id":%[1]d,"accountsemailaddress":"accounts@client%[1]d.example",` +
	`"accountsid":"","itglue_id":"","dbc_company_id":"","cautomateid":0,"xero_tenant_id":"","snow_id":0,"client_to_invoice":0,"ref":"C-%[1]d",` +
	`"client_to_invoice_recurring":0,"excludefrominvoicesync":false,"invoiceduedaysextraclient":-1,"clientcurrency":"","default_currency_code":0,` +
	`"item_tax_code":0,"service_tax_code":0,"prepay_tax_code":0,"contract_tax_code":0,"confirmemail":1,"actionemail":1,"clearemail":1,` +
	`"mailbox_override":0,"default_mailbox_id":0,"messagegroup_id":-1,"accountmanagertech":0,"pritech":0,"sectech":0,` +
	`"customer_relationship_list":"","customer_relationship":[{"id":"1","name":"Customer"}],"calldate":"2022-04-29T19:43:00.43","colour":"#f5b700","logo":""}`

// realNames are as varied as the client names of a service provider in Europe.
var realNames = []string{
	"Eastwood & Okafor LLP", "Sébastien & Fils Hôtellerie SAS", "Acme Ltd", "Büro Müller GmbH & Co. KG", "شركة الخليج للتجارة",
	"Northern Dental Care", "O'Neill Partners", "日本商事株式会社", "Jansen Transport B.V.", "The Old Bakery",
}

// realPage returns the body of a page with the given number of rows.
func realPage(rows int) []byte {
	var body bytes.Buffer
	body.WriteString(`{"page_no":1,"page_size":100,"record_count":100000,"clients":[`)
	for i := range rows {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, realRow, 90_000+i, realNames[i%len(realNames)], 1+i%3, i%20 == 0)
	}
	body.WriteString(`]}`)
	return body.Bytes()
}

// plainListing is a type that a program could decode into if it trusted Halo.
type plainListing struct {
	RecordCount int `json:"record_count"`
	Clients     []struct {
		ID           int64  `json:"id"`
		Name         string `json:"name"`
		Inactive     bool   `json:"inactive"`
		TopLevelID   int64  `json:"toplevel_id"`
		TopLevelName string `json:"toplevel_name"`
		Ref          string `json:"ref"`
		AccountsID   string `json:"accountsid"`
	} `json:"clients"`
}

// BenchmarkDecodeListing decodes one page of 100 clients. It compares the
// decoder with plain json.Unmarshal and with the reference decoder. The goal is
// at most 0.7 times the duration of "unmarshal".
func BenchmarkDecodeListing(b *testing.B) {
	data := realPage(100)
	ours := func(body []byte) (int, error) {
		l, err := decodeListing(body)
		return len(l.clients), err
	}
	before := func(body []byte) (int, error) {
		l, err := oldListing(body)
		return len(l.clients), err
	}
	unmarshal := func(body []byte) (int, error) {
		var l plainListing
		err := json.Unmarshal(body, &l)
		return len(l.Clients), err
	}
	readAll := func(body []byte) (int, error) {
		all, err := io.ReadAll(bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		return unmarshal(all)
	}
	for _, way := range []struct {
		name string
		read func([]byte) (int, error)
	}{{"ours", ours}, {"before", before}, {"unmarshal", unmarshal}, {"readall+unmarshal", readAll}} {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := way.read(data); err != nil || n != 100 {
					b.Fatalf("%d clients, error %v", n, err)
				}
			}
		})
	}
}
