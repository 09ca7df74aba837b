package scoped

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Trace is called with each statement before it is sent. It returns a function that is
// called with the error and its Postgres error code (SQLSTATE) when the statement ends. The
// code is empty if the error does not come from Postgres. The statement has placeholders
// instead of values.
type Trace func(ctx context.Context, statement string) (end func(class string, err error))

// tracer forwards statements, batches and copies from pgx to a Trace.
type tracer struct{ trace Trace }

// pgx looks for these interfaces at run time, so this declaration checks them at
// compile time.
var _ interface {
	pgx.QueryTracer
	pgx.BatchTracer
	pgx.CopyFromTracer
} = tracer{}

// endKey is the context key of the function that ends a statement.
type endKey struct{}

// inHex matches the tenant, the only value that is written into the SQL itself; see
// [Scope.begin].
var inHex = regexp.MustCompile(`'\\x[0-9a-f]*'`)

func (t tracer) begin(ctx context.Context, statement string) context.Context {
	statement = inHex.ReplaceAllString(statement, `'\x…'`)
	return context.WithValue(ctx, endKey{}, t.trace(ctx, statement))
}

func (t tracer) end(ctx context.Context, err error) {
	end, ok := ctx.Value(endKey{}).(func(string, error))
	if !ok {
		return
	}
	var class string
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		class = e.Code
	}
	end(class, err)
}

// TraceQueryStart implements [pgx.QueryTracer].
func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return t.begin(ctx, data.SQL)
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (t tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	t.end(ctx, data.Err)
}

// TraceBatchStart implements [pgx.BatchTracer].
func (t tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	texts := make([]string, 0, data.Batch.Len())
	for _, q := range data.Batch.QueuedQueries {
		if (q.SQL == setTenantSQL || q.SQL == setBoundedTenantSQL) && data.Batch.Len() > 1 {
			continue // precedes every statement
		}
		texts = append(texts, q.SQL)
	}
	return t.begin(ctx, strings.Join(texts, ";\n"))
}

// TraceBatchQuery implements [pgx.BatchTracer].
func (t tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements [pgx.BatchTracer].
func (t tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	t.end(ctx, data.Err)
}

// TraceCopyFromStart implements [pgx.CopyFromTracer].
func (t tracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	return t.begin(ctx, "copy "+data.TableName.Sanitize())
}

// TraceCopyFromEnd implements [pgx.CopyFromTracer].
func (t tracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.end(ctx, data.Err)
}
