package repo

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// forgetItems is the number of a run's items that one transaction deletes; a run has up
// to 10,000.
const forgetItems = 5000

// tenantsSQL skips from one tenant's name to the next, so that its cost depends on the
// number of tenants, not on the number of their rows. A tenant without connections may
// have events, and a tenant without either may have sessions, tokens or answers.
const tenantsSQL = `
	with recursive walk(tenant, nth) as (
		select $1::text, 0
		union all
		select least(
			(select c.tenant from halosync.connections c where c.tenant > w.tenant order by c.tenant limit 1),
			(select e.tenant from halosync.events e where e.tenant > w.tenant order by e.tenant limit 1),
			(select v.tenant from halosync.sessions v where v.tenant > w.tenant order by v.tenant limit 1),
			(select u.tenant from halosync.signin_tokens_used u where u.tenant > w.tenant order by u.tenant limit 1),
			(select a.tenant from halosync.answers a where a.tenant > w.tenant order by a.tenant limit 1)), w.nth + 1
		from walk w where w.nth < $2 and w.tenant is not null)
	select tenant from walk where nth > 0 and tenant is not null order by nth`

// TenantsAfter lists up to limit tenants whose names sort after the given one and whose
// rows may be deleted by age. It considers all tenants and uses the database's sort
// order.
func (s *Store) TenantsAfter(ctx context.Context, after string, limit int) ([]string, error) {
	rows, err := s.forAllTenants().Query(ctx, tenantsSQL, after, limit)
	if err != nil {
		return nil, wrap("tenants", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return tenants, wrap("tenants", err)
}

// expiredSQL has a condition on queued_at as well as on finished_at, because the index
// is on queued_at.
const expiredSQL = `
	select id from halosync.runs
	where tenant = $1 and queued_at < now() - $2::interval and finished_at < now() - $2::interval
	order by queued_at limit $3 for update skip locked`

// ForgetRuns deletes up to limit of the tenant's runs that ended longer ago than age,
// with their items and pages. A run with very many items takes more than one call. The
// result called more reports whether runs are left to delete. A run that has not ended is
// never deleted.
func (s *Store) ForgetRuns(ctx context.Context, tenant string, age time.Duration, limit int) (gone int, more bool, err error) {
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, expiredSQL, tenant, age, limit)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil || len(ids) == 0 {
			return err
		}
		items, err := tx.Exec(ctx, `
			delete from halosync.run_items where tenant = $1 and (run_id, seq) in (
				select i.run_id, i.seq from halosync.run_items i where i.tenant = $1 and i.run_id = any($2) order by i.run_id, i.seq limit $3)`,
			tenant, ids, forgetItems)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			delete from halosync.runs r where r.tenant = $1 and r.id = any($2)
				and not exists (select from halosync.run_items i where i.run_id = r.id)`, tenant, ids)
		gone, more = int(tag.RowsAffected()), len(ids) == limit || items.RowsAffected() == forgetItems
		return err
	})
	if err != nil {
		gone, more = 0, false
	}
	return gone, more, wrap("forget runs", err)
}

// ForgetEvents checks up to limit of the tenant's oldest events. It deletes those that
// are older than age, older than 30 days, and older than every run that still exists.
// Undoing a run requires the events that followed it. The result called more reports
// whether events may be left to delete.
func (s *Store) ForgetEvents(ctx context.Context, tenant string, age time.Duration, limit int) (gone int, more bool, err error) {
	err = s.forTenant(tenant).QueryRow(ctx, `select halosync.forget_events($1, $2::interval, $3)`, tenant, age, limit).Scan(&gone)
	return gone, gone > 0, wrap("forget events", err) // ids are not exactly in order of time, so a part may contain events that must be kept
}

// DeleteExpiredSessions deletes the tenant's expired sessions, sign-in tokens and
// answers to requests. A new session does the same for its tenant, so this method is
// for tenants without new sessions.
func (s *Store) DeleteExpiredSessions(ctx context.Context, tenant string) (gone int, err error) {
	err = s.forTenant(tenant).QueryRow(ctx, `
		with sessions as (
			delete from halosync.sessions
			where tenant = $1 and (expires_at <= now() or last_seen_at <= now() - $2::interval) returning 1),
		tokens as (delete from halosync.signin_tokens_used where tenant = $1 and expires_at <= now() returning 1),
		answers as (delete from halosync.answers where tenant = $1 and claimed_at < now() - $3::interval returning 1)
		select (select count(*) from sessions) + (select count(*) from tokens) + (select count(*) from answers)`,
		tenant, SessionIdle, answerLife).Scan(&gone)
	return gone, wrap("forget visits", err)
}

// CatalogueCursor is the position of a pass of [Store.ForgetClients]; the zero value
// is its start.
type CatalogueCursor struct {
	ConnectionID uuid.UUID
	ClientID     int64
}

// unseenClientsSQL deletes from a part of one connection's catalogue. The part starts
// at the cursor, or with the next connection if the cursor is at the end of a
// connection.
const unseenClientsSQL = `
	with n as materialized (
		select id from halosync.connections
		where tenant = $1 and (id > $2 or id = $2 and $3 < 9223372036854775807)
		order by id limit 1),
	part as materialized (
		select c.client_id, c.seen_at from n cross join lateral (
			select * from halosync.clients c
			where c.tenant is not distinct from $1 and c.connection_id = n.id and c.client_id > case when n.id = $2 then $3 else 0 end
			order by c.client_id limit $4) c),
	gone as (
		delete from halosync.clients c using n, part p
		where c.tenant is not distinct from $1 and c.connection_id = n.id and c.client_id = p.client_id
			and p.seen_at < now() - $5::interval and c.seen_at = p.seen_at
			and not exists (select from halosync.mappings m
				where m.tenant is not distinct from $1 and m.connection_id = n.id and m.client_id = p.client_id and m.deleted_at is null)
		returning 1)
	select n.id, (select count(*) from gone),
		case when (select count(*) from part) < $4 then 9223372036854775807 else (select max(client_id) from part) end
	from n`

// ForgetClients checks up to limit rows of the tenant's catalogue after a cursor. It
// deletes the clients that no import has seen for the duration age and that have no active
// mapping. The result next is the start of the next part, or zero at the end.
func (s *Store) ForgetClients(ctx context.Context, tenant string, age time.Duration, after CatalogueCursor, limit int) (gone int, next CatalogueCursor, err error) {
	err = s.forTenant(tenant).QueryRow(ctx, unseenClientsSQL, tenant, after.ConnectionID, after.ClientID, limit, age).
		Scan(&next.ConnectionID, &gone, &next.ClientID)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, CatalogueCursor{}, nil
	}
	return gone, next, wrap("forget clients", err)
}
