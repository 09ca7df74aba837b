package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/secret"
)

// Credentials are a connection and its sealed values, read together. The values open
// only for the addresses in this Connection and must not be sent to any other address.
type Credentials struct {
	Connection
	sealed sealedValues
	keys   *secret.Keyset
}

// sealedValues are the sealed values of a connection as stored.
type sealedValues struct{ SecretSealed, HeaderSealed []byte }

// Credentials reads a connection and its sealed values in one statement. It returns
// [ErrNotFound] if the tenant has no connection with this id.
func (s *Store) Credentials(ctx context.Context, tenant string, id uuid.UUID) (Credentials, error) {
	return s.queryCredentials(ctx, s.forTenant(tenant), `where c.tenant = $1 and c.id = $2`, tenant, id)
}

func (s *Store) queryCredentials(ctx context.Context, q querier, where string, args ...any) (Credentials, error) {
	rows, err := q.Query(ctx, `select `+connectionColumns+`, c.secret_sealed, c.header_sealed from halosync.connections c `+where, args...)
	if err != nil {
		return Credentials{}, wrap("credentials", err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[credentialsRow])
	return Credentials{found.Connection, found.sealedValues, s.keys}, wrap("credentials", err)
}

type credentialsRow struct {
	Connection
	sealedValues
}

// Secret decrypts the client secret. The error is a [secret.ErrOpen] if the secret was
// sealed with another key set or for other addresses.
func (c Credentials) Secret() (secret.String, error) {
	plain, err := openValue(c.keys, c.sealed.SecretSealed, c.binding().ClientSecret())
	return plain, wrap("connection secret", err)
}

// HeaderValue decrypts the value of the MSP's own HTTP header. The result is empty if
// the connection has no such header. The error is a [secret.ErrOpen] if the value was
// sealed with another key set, for other addresses or for a header of another name.
func (c Credentials) HeaderValue() (secret.String, error) {
	if c.HeaderName == "" {
		return secret.String{}, nil
	}
	value, err := openValue(c.keys, c.sealed.HeaderSealed, c.binding().HeaderValue())
	return value, wrap("connection header", err)
}

// binding returns the binding of the connection's sealed values.
func (c Connection) binding() secret.Binding {
	return secret.Binding{
		Tenant: c.Tenant, Connection: c.ID.String(), AuthServer: c.AuthServer, Domain: c.Domain,
		ClientID: c.ClientID, HaloTenant: c.HaloTenant, HeaderName: c.HeaderName,
	}
}

func sealValue(keys *secret.Keyset, plain secret.String, binding []string) ([]byte, error) {
	if keys == nil {
		return nil, errNoKeys
	}
	return keys.Seal(plain, binding...)
}

func openValue(keys *secret.Keyset, sealed []byte, binding []string) (secret.String, error) {
	if keys == nil {
		return secret.String{}, errNoKeys
	}
	return keys.Open(sealed, binding...)
}
