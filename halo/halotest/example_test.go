package halotest_test

import (
	"fmt"

	"github.com/halosync/halosync/halo/halotest"
)

func Example() {
	h := halotest.New(halotest.WithProfile(halotest.Profile{RateLimit: 300}))
	defer h.Close()
	if err := h.Listen("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	acme := h.Tenant("acme")
	acme.App("client id", "client secret")
	acme.Seed(2500, 1)
	h.Fault(halotest.Rule{Page: 7}, halotest.Status(502, "<h1>Bad Gateway</h1>"), halotest.Reset())
	h.AfterPage(func(e halotest.PageEvent) {
		if e.Nth == 3 {
			e.Tenant.Delete(1)
		}
	})
	// … point a client at h.ResourceServer() and h.AuthServer() …
	fmt.Println(acme.Len(), "clients,", h.Log().Requests, "requests")
	// Output: 2500 clients, 0 requests
}
