package repo

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Outcomes in a [Finding].
const (
	FoundSeen       Outcome = "seen"       // Halo returned the client, and it differs from the mapping
	FoundMissing    Outcome = "missing"    // Halo has no such client
	FoundUnverified Outcome = "unverified" // the client could not be read, or there is a [Doubt]
)

// Doubt is a special reason why a mapping cannot be verified.
type Doubt string

// Doubts in a [Finding] whose outcome is [FoundUnverified].
const (
	// DoubtUnlisted means that Halo returns the client by its id but does not list it.
	DoubtUnlisted Doubt = "unlisted"
	// DoubtVanished means that Halo has no such client, but a resync on another night must
	// confirm this; see [Store.DoubtVanished].
	DoubtVanished Doubt = "vanished"
)

// Finding is the result of a resync for one mapped client. It is stored apart from the
// mapping until the resync has checked that the listing is complete.
type Finding struct {
	ClientID int64
	Outcome  Outcome
	Name     string // only for [FoundSeen]
	Inactive bool   // only for [FoundSeen]
	Reason   string // empty for [FoundSeen]
	Doubt    Doubt  // only for [FoundUnverified]; may be empty
}

type findingColumns struct {
	clientIDs       []int64
	outcomes, names []string
	inactive        []bool
	reasons, doubts []string
}

func (fc *findingColumns) add(f Finding) {
	fc.clientIDs = append(fc.clientIDs, f.ClientID)
	fc.outcomes = append(fc.outcomes, string(f.Outcome))
	fc.names = append(fc.names, f.Name)
	fc.inactive = append(fc.inactive, f.Inactive)
	fc.reasons = append(fc.reasons, note(f.Reason))
	fc.doubts = append(fc.doubts, string(f.Doubt))
}

const (
	// A later page overrides an earlier one.
	addFindingsSQL = `
		insert into halosync.run_findings (tenant, run_id, client_id, outcome, name, inactive, reason, doubt)
		select $1, $2, n.client_id, n.outcome, n.name, n.inactive, n.reason, n.doubt
		from unnest($3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::text[])
			as n(client_id, outcome, name, inactive, reason, doubt)
		order by n.client_id
		on conflict (run_id, client_id) do update
		set outcome = excluded.outcome, name = excluded.name, inactive = excluded.inactive, reason = excluded.reason, doubt = excluded.doubt`

	// A mapping that is already missing needs no confirmation. A mapping whose client
	// vanished less than a night ago waits, regardless of how many others are waiting.
	doubtVanishedSQL = `
		with gone as materialized (
			select client_id from halosync.run_findings where tenant = $1 and run_id = $2 and outcome = 'missing'),
		fresh as (
			select f.client_id, m.vanished_at
			from gone f
			join halosync.runs r on r.tenant = $1 and r.id = $2
			join halosync.mappings m on m.tenant is not distinct from $1 and m.connection_id = r.connection_id and m.client_id = f.client_id
				and m.deleted_at is null and m.mapped_at <= r.started_at
			where m.state <> 'missing'
				and (m.vanished_at is null or m.vanished_at > r.started_at - $4::interval))
		update halosync.run_findings f set outcome = 'unverified', doubt = 'vanished', reason = $5
		where f.tenant = $1 and f.run_id = $2 and f.client_id in (
			select client_id from fresh where vanished_at is not null or (select count(*) from fresh) > $3)`

	// The statement removes findings from their table and applies them to the active
	// mappings. A mapping that was created after the run began is newer than the
	// finding and does not change. The reason given for an unlisted client ends with the
	// date on which it was last listed. This date does not change while the client stays
	// unlisted.
	applyFindingsSQL = `
		with taken as (
			delete from halosync.run_findings where tenant = $1 and run_id = $2 and client_id in (
				select client_id from halosync.run_findings where tenant = $1 and run_id = $2 order by client_id limit $3)
			returning client_id, outcome, name, inactive, reason, doubt),
		hit as (
			select m.tenant, m.id, m.company_id, m.client_id, m.client_name, m.client_inactive, m.state, m.state_reason, f.outcome,
				case f.outcome when 'seen' then f.name else m.client_name end as new_name,
				case f.outcome when 'seen' then f.inactive else m.client_inactive end as new_inactive,
				case when f.outcome <> 'seen' then f.outcome when f.inactive then 'inactive' else 'ok' end as new_state,
				f.reason || case
					when f.doubt <> 'unlisted' then ''
					when m.state = 'unverified' and starts_with(m.state_reason, f.reason) then substr(m.state_reason, length(f.reason) + 1)
					else '; ' || coalesce('it was last listed on ' || to_char(case
						when m.mapped_at > n.listed_at or n.listed_at is null then case when m.mapped_by = 'import' and not exists (
							select from halosync.runs i where i.tenant = $1 and i.id = m.run_id and i.args ? 'client_ids') then m.mapped_at end
						when m.state = 'unverified' then least(n.listed_at, m.last_verified_at)
						else n.listed_at end at time zone 'UTC', 'YYYY-MM-DD'), 'it has not been listed since it was mapped') end as new_reason,
				case when f.doubt = 'vanished' then coalesce(m.vanished_at, r.started_at)
					when f.outcome = 'unverified' and f.doubt = '' then m.vanished_at end as new_vanished_at,
				case f.outcome when 'unverified' then
					case when m.state = 'unverified' then m.last_verified_at else greatest(m.last_verified_at, n.verified_at) end
					else now() end as new_verified_at
			from taken f
			join halosync.runs r on r.tenant = $1 and r.id = $2
			join halosync.connections n on n.tenant = $1 and n.id = r.connection_id
			join halosync.mappings m on m.tenant is not distinct from $1 and m.connection_id = r.connection_id and m.client_id = f.client_id
				and m.deleted_at is null and m.mapped_at <= r.started_at),
		differs as (
			select * from hit
			where (client_name, client_inactive, state, state_reason) is distinct from (new_name, new_inactive, new_state, new_reason)),
		changed as (
			update halosync.mappings m
			set client_name = d.new_name, client_inactive = d.new_inactive, state = d.new_state,
				state_reason = d.new_reason, last_verified_at = d.new_verified_at, vanished_at = d.new_vanished_at
			from differs d where m.tenant = d.tenant and m.id = d.id),
		logged as (
			insert into halosync.events (tenant, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, before, after)
			select $1, r.requested_by, case d.outcome when 'seen' then 'mapping.refreshed' else 'mapping.' || d.outcome end, 'resync',
				$2, r.connection_id, d.id, d.company_id, d.client_id,
				jsonb_build_object('client_name', d.client_name, 'client_inactive', d.client_inactive, 'state', d.state, 'state_reason', d.state_reason),
				jsonb_build_object('client_name', d.new_name, 'client_inactive', d.new_inactive, 'state', d.new_state, 'state_reason', d.new_reason)
			from differs d, halosync.runs r where r.tenant = $1 and r.id = $2
			order by d.id),
		attention as (
			select client_id, company_id, outcome, new_reason from hit where outcome = 'unverified'
			union all
			select client_id, company_id, outcome, new_reason from differs where outcome = 'missing'),
		items as (
			insert into halosync.run_items (tenant, run_id, seq, client_id, company_id, outcome, reason)
			select $1, $2, last.seq + a.ord, a.client_id, a.company_id, a.outcome, a.new_reason
			from (select coalesce(max(seq), 0) as seq from halosync.run_items where tenant = $1 and run_id = $2) last,
				(select *, row_number() over (order by outcome, client_id) as ord from attention) a
			where last.seq + a.ord <= $4)
		select (select count(*) from taken),
			(select count(*) from differs where outcome = 'seen'),
			(select count(*) from differs where outcome = 'missing'),
			(select count(*) from hit where outcome = 'unverified')`
)

// ApplyFindings applies up to limit findings of a run to the active mappings, with an event
// for each change. It counts the findings and adds an item for each one that needs a
// person's attention. It returns the number of findings that it processed; 0 means that
// none are left. Each call is one transaction, so no finding is applied twice. It returns
// [ErrFenced] if another execution owns the run.
func (s *Store) ApplyFindings(ctx context.Context, ref RunRef, limit int) (taken int, err error) {
	err = s.forTenant(ref.Tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockOwnRun(ctx, tx, ref); err != nil {
			return err
		}
		var c Counts
		err := tx.QueryRow(ctx, applyFindingsSQL, ref.Tenant, ref.ID, limit, maxItems).
			Scan(&taken, &c.Refreshed, &c.Missing, &c.Unverified)
		if err != nil || taken == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `
			update halosync.runs set refreshed = refreshed + $3, missing = missing + $4, unverified = unverified + $5
			where tenant = $1 and id = $2`, ref.Tenant, ref.ID, c.Refreshed, c.Missing, c.Unverified)
		return err
	})
	if err != nil {
		return 0, wrap("apply findings", err)
	}
	return taken, nil
}

// DoubtVanished decides whether the run may mark as missing the mappings of clients that it
// did not find. If the number of newly missing clients exceeds the argument most, their
// mappings become unverified, with [DoubtVanished] and the given reason. The parameter
// called after is the minimum time until a later run can confirm that they are missing.
// DoubtVanished is safe to repeat. It returns [ErrFenced] if another execution owns the
// run.
func (s *Store) DoubtVanished(ctx context.Context, ref RunRef, most int, after time.Duration, reason string) (doubted int, err error) {
	err = s.forTenant(ref.Tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockOwnRun(ctx, tx, ref); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, doubtVanishedSQL, ref.Tenant, ref.ID, most, after, note(reason))
		doubted = int(tag.RowsAffected())
		return err
	})
	return doubted, wrap("doubt vanished clients", err)
}

// Findings returns the client ids of a run's findings with one outcome, in ascending
// order.
func (s *Store) Findings(ctx context.Context, ref RunRef, outcome Outcome) ([]int64, error) {
	rows, err := s.forTenant(ref.Tenant).Query(ctx, `
		select client_id from halosync.run_findings
		where tenant = $1 and run_id = $2 and outcome = $3 order by client_id`, ref.Tenant, ref.ID, outcome)
	if err != nil {
		return nil, wrap("findings", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, wrap("findings", err)
}

// lockOwnRun locks a run that the caller has claimed.
func lockOwnRun(ctx context.Context, tx pgx.Tx, ref RunRef) error {
	var one int
	err := tx.QueryRow(ctx, `
		select 1 from halosync.runs where tenant = $1 and id = $2 and fence = $3 and state = 'running' for update`,
		ref.Tenant, ref.ID, ref.Fence).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrFenced
	}
	return err
}
