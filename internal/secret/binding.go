package secret

// Binding holds the data to which the sealed values of a connection are bound: the
// row, and the settings that determine which server receives a value and for which
// purpose. A value opens only with the binding with which it was sealed. An attacker
// who can change a row in the database, but does not have the key set, therefore
// cannot redirect a value to another server.
type Binding struct {
	Tenant, Connection   string // the row; Connection is the id
	AuthServer, Domain   string // as stored, without normalisation
	ClientID, HaloTenant string
	HeaderName           string // of the MSP's own HTTP header; bound to the header's value only
}

// bindingVersion is part of the associated data. Before version 2, a value was bound
// only to its tenant, connection and column.
const bindingVersion = "2"

// ClientSecret returns the associated data of the client secret, for [Keyset.Seal] and
// [Keyset.Open].
func (b Binding) ClientSecret() []string { return b.column("connections.secret_sealed") }

// HeaderValue returns the associated data of the value of the MSP's own HTTP header.
func (b Binding) HeaderValue() []string {
	return append(b.column("connections.header_sealed"), b.HeaderName)
}

// column returns the fields that all values share. Seal encodes each field with its
// length, so different bindings have different encodings.
func (b Binding) column(name string) []string {
	return []string{b.Tenant, b.Connection, name, bindingVersion, b.AuthServer, b.Domain, b.ClientID, b.HaloTenant}
}
