package halosync_test

import "errors"

// By search, over two pages, with one entry removed again.
func (d *desk) importInBrowser() {
	d.bakeries()
	d.connect()
	d.signIn()
	d.importBakeries()
}

// The same with JavaScript switched off.
func (d *desk) importWithoutScripts() {
	d.scripts = false
	d.WithoutScripts()
	d.bakeries()
	d.connect()
	d.signIn()
	d.importBakeries()
}

func (d *desk) importBakeries() {
	d.t.Helper()
	d.Follow("Import companies")
	d.Heading("Import companies")
	d.looked()
	d.Fill("Search", "bakery")
	d.Choose("Page size", "10")
	d.Press("Get companies")
	d.Read("Page 1 of 3")
	d.Click("checkbox", "Bakery 02")
	d.Click("checkbox", "Bakery 09")
	d.looked()
	d.Press("Next page")
	d.Read("Page 2 of 3")
	d.Read("2 companies chosen")
	d.Click("checkbox", "Bakery 14")
	if d.scripts { // then it is an entry at once
		d.Read("3 companies chosen")
	}
	d.looked()
	d.Press("Remove Bakery 09")
	d.Read("2 companies chosen")
	d.looked()
	d.Press("Next")
	d.Read("Step 2 of 2")
	d.previewed()
	d.looked()
	d.wantMapped()
	d.Press("Finish")
	d.runEnded("succeeded")
	d.looked()
	d.wantMapped("Bakery 02=Bakery 02", "Bakery 14=Bakery 14")
}

// previewed waits until it is shown what an import would do.
func (d *desk) previewed() {
	d.t.Helper()
	d.Eventually("the preview", func() error {
		if d.Has("button", "Finish") {
			return nil
		}
		if !d.scripts {
			_ = d.Try("button", "Show the progress") // which may be gone by now
		}
		return errors.New("it is not ready")
	})
}

// A person without a mouse gets as far.
func (d *desk) importWithKeys() {
	d.bakeries()
	d.connect()
	d.visit("/import")
	d.Heading("Sign in")
	d.Type(d.key + "\r") // the field has the focus
	d.Heading("Import companies")
	d.keepCookie()
	d.TabTo("searchbox", "Search")
	d.Type("bakery\r")
	d.Read("Page 1 of 1")
	d.TabTo("checkbox", "Bakery 07")
	d.Type(" ")
	d.Read("1 company chosen")
	d.TabTo("button", "Next")
	d.Type("\r")
	d.Read("This starts the import")
	d.TabTo("button", "Finish")
	d.Type("\r")
	d.runEnded("succeeded")
	d.wantMapped("Bakery 07=Bakery 07")
}
