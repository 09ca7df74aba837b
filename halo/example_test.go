package halo_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/halosync/halosync/halo"
)

func Example() {
	// The server has three clients and lists two on a page.
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/token", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"access_token":"x","token_type":"Bearer","expires_in":3600}`)
	})
	mux.HandleFunc("GET /api/Client", func(w http.ResponseWriter, r *http.Request) {
		rows := `{"id":1,"name":"Unknown"},{"id":12,"name":"Acme"}`
		if r.FormValue("page_no") == "2" {
			rows = `{"id":15.0,"name":"Umbrella"}`
		}
		fmt.Fprintf(w, `{"record_count":3,"clients":[%s]}`, rows)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	allow, err := halo.ParseAllow([]string{"127.0.0.1"}) // private addresses are refused by default
	if err != nil {
		log.Fatal(err)
	}
	transport := halo.NewTransport(allow)
	defer transport.CloseIdleConnections()
	api, err := halo.New(halo.Config{
		ResourceServer: server.URL + "/api", AuthServer: server.URL + "/auth",
		ClientID: "app", ClientSecret: "secret", Transport: transport,
	})
	if err != nil {
		log.Fatal(err)
	}

	for page, err := range api.Pages(context.Background(), halo.Query{VerifyTail: true}, halo.Cursor{}) {
		if err != nil {
			log.Fatal(err)
		}
		for _, c := range page.Clients {
			fmt.Println(page.Number, c.ID, c.Name)
		}
		if page.Last {
			cert := page.Cursor.Certificate
			fmt.Printf("%d of %d, ended by %s\n", cert.Distinct, cert.RecordLast, cert.Ended)
		}
	}
	// Output:
	// 1 1 Unknown
	// 1 12 Acme
	// 2 15 Umbrella
	// 3 of 3, ended by count
}
