package schema

import (
	"context"
	"fmt"
)

// EncodingError reports a database whose encoding is not UTF8. It cannot store every
// name: LATIN1 has no characters for most of them, and SQL_ASCII stores whatever bytes
// it receives.
type EncodingError struct{ Database, Encoding string }

func (e *EncodingError) Error() string {
	return fmt.Sprintf("database %q has encoding %s, but halosync needs UTF8: create a database with "+
		"\"create database NAME encoding 'UTF8' template template0\", and set DATABASE_URL to it", e.Database, e.Encoding)
}

// checkEncoding returns an [*EncodingError] unless the database's encoding is UTF8.
func checkEncoding(ctx context.Context, q querier) error {
	var e EncodingError
	if err := q.QueryRow(ctx, `select current_database(), current_setting('server_encoding')`).Scan(&e.Database, &e.Encoding); err != nil {
		return err
	}
	if e.Encoding != "UTF8" {
		return &e
	}
	return nil
}
