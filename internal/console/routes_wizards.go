package console

import "github.com/halosync/halosync/internal/access"

// wizardRoutes registers the two wizards: importing companies, mapping one.
func (c *Console) wizardRoutes() {
	c.handle("GET /import", access.Write, c.importPage)
	c.handle("POST /import/pick", access.Write, c.importPick)
	c.handle("POST /import/preview", access.Write, c.importPreview)
	c.handle("GET /import/preview", access.Write, func(v *visit) error { return v.redirect("/import", nil) })
	c.handle("GET /import/preview/{id}", access.Write, c.importLive)
	c.handle("POST /import", access.Write, c.importFinish)
	c.handle("GET /map", access.Write, c.mapPage)
	c.handle("POST /map", access.Write, c.mapAct)
}
