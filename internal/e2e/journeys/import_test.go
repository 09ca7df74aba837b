package journeys

import "errors"

// The technician selects companies on two pages and then deselects one.
func (tech *technician) importInBrowser() {
	tech.bakeries()
	tech.Connect()
	tech.signIn()
	tech.importBakeries()
}

// The same import works without JavaScript.
func (tech *technician) importWithoutScripts() {
	tech.scripts = false
	tech.WithoutScripts()
	tech.bakeries()
	tech.Connect()
	tech.signIn()
	tech.importBakeries()
}

func (tech *technician) importBakeries() {
	tech.T.Helper()
	tech.Follow("Import companies")
	tech.Heading("Import companies")
	tech.audit()
	tech.Fill("Search", "bakery")
	tech.Choose("Page size", "10")
	tech.Press("Get companies")
	tech.Read("Page 1 of 3")
	tech.Click("checkbox", "Bakery 02")
	tech.Click("checkbox", "Bakery 09")
	tech.audit()
	tech.Press("Next page")
	tech.Read("Page 2 of 3")
	tech.Read("2 companies chosen")
	tech.Click("checkbox", "Bakery 14")
	if tech.scripts { // with scripts, the selection appears at once
		tech.Read("3 companies chosen")
	}
	tech.inspect()
	tech.Press("Remove Bakery 09")
	tech.Read("2 companies chosen")
	tech.inspect()
	tech.Press("Next")
	tech.Read("Step 2 of 2")
	tech.previewed()
	tech.audit()
	tech.wantMapped()
	tech.Press("Finish")
	tech.runEnded("succeeded")
	tech.audit()
	tech.wantMapped("Bakery 02=Bakery 02", "Bakery 14=Bakery 14")
}

// previewed waits until the page shows the preview of an import.
func (tech *technician) previewed() {
	tech.T.Helper()
	tech.Page.Eventually("the preview", func() error {
		if tech.Has("button", "Finish") {
			return nil
		}
		if !tech.scripts {
			_ = tech.Try("button", "Refresh") // the button may already have disappeared
		}
		return errors.New("the preview is not ready")
	})
}

// An import needs only the keyboard.
func (tech *technician) importWithKeys() {
	tech.bakeries()
	tech.Connect()
	tech.visit("/import")
	tech.Heading("Sign in")
	tech.Type(tech.key + "\r") // the field has the focus
	tech.Heading("Import companies")
	tech.keepCookie()
	tech.TabTo("searchbox", "Search")
	tech.Type("bakery\r")
	tech.Read("Page 1 of 1")
	tech.TabTo("checkbox", "Bakery 07")
	tech.Type(" ")
	tech.Read("1 company chosen")
	tech.TabTo("button", "Next")
	tech.Type("\r")
	tech.Read("This starts the import")
	tech.TabTo("button", "Finish")
	tech.Type("\r")
	tech.runEnded("succeeded")
	tech.wantMapped("Bakery 07=Bakery 07")
}
