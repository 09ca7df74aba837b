package repo_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/repo"
)

const pageSize = 100

// BenchmarkImportBatch writes batches of 100 clients; "rows/s" is clients per second.
// Compare each case with the same case of BenchmarkBaseline.
func BenchmarkImportBatch(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		benchmarkPages(b, func(w *fixture, n int) []repo.Client { return clients((n + 1) * pageSize)[n*pageSize:] })
	})
	b.Run("unchanged", func(b *testing.B) {
		list := clients(pageSize)
		benchmarkPages(b, func(*fixture, int) []repo.Client { return list })
	})
	b.Run("changed", func(b *testing.B) {
		list := clients(pageSize)
		benchmarkPages(b, func(_ *fixture, n int) []repo.Client {
			for i := range list {
				list[i].Inactive = n%2 == 1
			}
			return list
		})
	})
}

func benchmarkPages(b *testing.B, next func(*fixture, int) []repo.Client) {
	w := newFixture(b)
	claim := w.claim(b, "k")
	w.write(b, claim.Ref, 0, clients(pageSize))
	b.ResetTimer()
	for n := range b.N {
		w.write(b, claim.Ref, n+1, next(w, n+1))
	}
	b.ReportMetric(float64(b.N*pageSize)/b.Elapsed().Seconds(), "rows/s")
}

func (w *fixture) write(b *testing.B, ref repo.RunRef, number int, list []repo.Client) {
	if _, err := w.ImportBatch(b.Context(), ref, page(number, list...), decider(list)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBaseline measures the naive approach: one transaction per page. For each new
// client it runs one statement for the catalogue, one for the company, one for the
// mapping and two for the events. For a known client it runs a read and an upsert.
func BenchmarkBaseline(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		baseline(b, func(ctx context.Context, tx pgx.Tx, w *fixture, n int) error {
			for _, c := range clients((n + 1) * pageSize)[n*pageSize:] {
				if err := insertOne(ctx, tx, w, c); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("unchanged", func(b *testing.B) {
		list := clients(pageSize)
		baseline(b, func(ctx context.Context, tx pgx.Tx, w *fixture, _ int) error {
			for _, c := range list {
				var name string
				err := tx.QueryRow(ctx, `select client_name from halosync.mappings
					where tenant = $1 and connection_id = $2 and client_id = $3 and deleted_at is null`, w.tenant, w.conn, c.ID).Scan(&name)
				if err != nil {
					return err
				}
				if err := upsertOne(ctx, tx, w, c); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func baseline(b *testing.B, write func(context.Context, pgx.Tx, *fixture, int) error) {
	w := newFixture(b)
	claim := w.claim(b, "k")
	w.write(b, claim.Ref, 0, clients(pageSize))
	pool, err := pgxpool.New(b.Context(), w.url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	b.ResetTimer()
	for n := range b.N {
		err := pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error { return write(b.Context(), tx, w, n+1) })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*pageSize)/b.Elapsed().Seconds(), "rows/s")
}

func upsertOne(ctx context.Context, tx pgx.Tx, w *fixture, c repo.Client) error {
	_, err := tx.Exec(ctx, `insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
		values ($1, $2, $3, $4, $5, $6, $7) on conflict (connection_id, client_id) do update set name = excluded.name, inactive = excluded.inactive`,
		w.tenant, w.conn, c.ID, c.Name, c.Inactive, c.TopLevelID, c.TopLevelName)
	return err
}

func insertOne(ctx context.Context, tx pgx.Tx, w *fixture, c repo.Client) error {
	if err := upsertOne(ctx, tx, w, c); err != nil {
		return err
	}
	company, mapping := uuid.New(), uuid.New()
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`insert into halosync.companies (tenant, id, name, norm_name) values ($1, $2, $3, $3)`, []any{w.tenant, company, c.Name}},
		{`insert into halosync.events (tenant, actor, action, company_id) values ($1, 'ann', 'company.created', $2)`, []any{w.tenant, company}},
		{`insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
			values ($1, $2, $3, $4, $5, $6, $7, 'import', 'ok')`, []any{w.tenant, mapping, w.conn, company, c.ID, c.Name, c.Inactive}},
		{`insert into halosync.events (tenant, actor, action, mapping_id) values ($1, 'ann', 'mapping.created', $2)`, []any{w.tenant, mapping}},
	} {
		if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkImport100k imports a tenant of 100,000 clients into an empty database that
// was never analysed. "last/first" is the time of the last hundred batches divided by the
// time of the first hundred. It grows if a plan or an index is wrong.
func BenchmarkImport100k(b *testing.B) {
	all := clients(100_000)
	for range b.N {
		w := newFixture(b)
		claim := w.claim(b, "k")
		var marks []float64
		for n := range len(all) / pageSize {
			if n%100 == 0 {
				marks = append(marks, b.Elapsed().Seconds())
			}
			w.write(b, claim.Ref, n+1, all[n*pageSize:(n+1)*pageSize])
		}
		marks = append(marks, b.Elapsed().Seconds())
		last := len(marks) - 1
		b.ReportMetric((marks[last]-marks[last-1])/(marks[1]-marks[0]), "last/first")
	}
	b.ReportMetric(float64(b.N*len(all))/b.Elapsed().Seconds(), "rows/s")
}
