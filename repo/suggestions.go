package repo

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Suggestion is a company and a client that may be the same customer.
type Suggestion struct {
	CompanyID   uuid.UUID
	CompanyName string
	ExternalID  string
	ClientID    int64
	ClientName  string
	Score       float64 // 0 to 1, in hundredths
	Reason      string
	Ambiguous   bool // another pair fits nearly as well: a person must decide
}

// MaxSuggestions is the maximum number of suggestions that are stored for a connection.
const MaxSuggestions = 5_000

// SuggestionList is the result of a run that computed suggestions.
type SuggestionList struct {
	Pairs   []Suggestion // the best first, at most [MaxSuggestions]
	Notices []string     // what may be missing, and why
	Read    int          // number of clients that the run read
}

// SuggestProgress records how many pages and clients a run has read, and reports whether
// the run was cancelled. It returns [ErrFenced] if another execution owns the run.
func (s *Store) SuggestProgress(ctx context.Context, ref RunRef, pages, clients int) (cancelled bool, err error) {
	err = s.forTenant(ref.Tenant).QueryRow(ctx, `
		update halosync.runs set pages = $4, records = $5, beat_at = now()
		where tenant = $1 and id = $2 and fence = $3 and state = 'running'
		returning cancel_requested_at is not null`, ref.Tenant, ref.ID, ref.Fence, pages, clients).Scan(&cancelled)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrFenced
	}
	return cancelled, wrap("progress of the run", err)
}

// StoreSuggestions replaces the connection's list of suggestions. It leaves out pairs whose
// company was deleted meanwhile. If the result cancelled is true, the run was cancelled and
// nothing was stored. StoreSuggestions returns [ErrFenced] if another execution owns the
// run. After any error the former list remains.
func (s *Store) StoreSuggestions(ctx context.Context, ref RunRef, list SuggestionList) (cancelled bool, err error) {
	if len(list.Pairs) > MaxSuggestions {
		return false, wrap("store suggestions", &InvalidError{What: "list of suggestions", Reason: "has too many pairs"})
	}
	err = s.forTenant(ref.Tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockConnection(ctx, tx, ref); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			select cancel_requested_at is not null from halosync.runs
			where tenant = $1 and id = $2 and fence = $3 and connection_id = $4 and state = 'running' for update`,
			ref.Tenant, ref.ID, ref.Fence, ref.ConnectionID).Scan(&cancelled)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrFenced
		}
		if err != nil || cancelled {
			return err
		}
		return replaceSuggestions(ctx, tx, ref, list)
	})
	return cancelled, wrap("store suggestions", err)
}

func replaceSuggestions(ctx context.Context, tx pgx.Tx, ref RunRef, list SuggestionList) error {
	n := len(list.Pairs)
	companies, clients, names := make([]uuid.UUID, n), make([]int64, n), make([]string, n)
	scores, reasons, ambiguous := make([]int16, n), make([]string, n), make([]bool, n)
	for i, p := range list.Pairs {
		companies[i], clients[i], names[i] = p.CompanyID, p.ClientID, short(note(p.ClientName), maxSuggestionText)
		scores[i], reasons[i], ambiguous[i] = hundredths(p.Score), short(note(p.Reason), maxSuggestionText), p.Ambiguous
	}
	notices := make([]string, len(list.Notices))
	for i, notice := range list.Notices {
		notices[i] = note(notice)
	}
	b := &pgx.Batch{}
	b.Queue(`
		insert into halosync.suggestion_lists (tenant, connection_id, run_id, notices) values ($1, $2, $3, $4)
		on conflict (connection_id) do update
		set run_id = excluded.run_id, computed_at = excluded.computed_at, notices = excluded.notices`,
		ref.Tenant, ref.ConnectionID, ref.ID, notices)
	b.Queue(`delete from halosync.suggestions where tenant = $1 and connection_id = $2`, ref.Tenant, ref.ConnectionID)
	b.Queue(`
		insert into halosync.suggestions (tenant, connection_id, position, company_id, client_id, client_name, score, reason, ambiguous)
		select $1, $2, n.position, n.company_id, n.client_id, n.client_name, n.score, n.reason, n.ambiguous
		from unnest($3::uuid[], $4::bigint[], $5::text[], $6::smallint[], $7::text[], $8::boolean[])
			with ordinality as n(company_id, client_id, client_name, score, reason, ambiguous, position)
		cross join lateral (select from halosync.companies c where c.tenant = $1 and c.id = n.company_id limit 1) c`,
		ref.Tenant, ref.ConnectionID, companies, clients, names, scores, reasons, ambiguous)
	b.Queue(`
		update halosync.runs set records = $4, records_total = $4, beat_at = now()
		where tenant = $1 and id = $2 and fence = $3`, ref.Tenant, ref.ID, ref.Fence, list.Read)
	return tx.SendBatch(ctx, b).Close()
}

// maxSuggestionText is the maximum length of a client's name and of a reason in characters.
const maxSuggestionText = 1000

// hundredths returns a score in whole hundredths, as the table stores it.
func hundredths(score float64) int16 { return int16(math.Round(score * 100)) }

// minHundredths returns the lowest score in whole hundredths that is at least minScore.
func minHundredths(minScore float64) int16 {
	const rounding = 1e-6 // of a float such as 0.29, which is a little less
	return int16(math.Ceil(minScore*100 - rounding))
}

// SuggestionFilter selects suggestions of a connection.
type SuggestionFilter struct {
	MinScore float64 // 0 to 1
	Certain  bool    // only pairs that are not ambiguous
	Limit    int     // 0: no limit
}

// StoredSuggestions are those suggestions of a connection that are still open.
type StoredSuggestions struct {
	Pairs      []Suggestion // the best first
	Total      int          // number of pairs that match the filter, regardless of its limit
	Notices    []string     // what may be missing, and why
	RunID      uuid.UUID    // the run that computed them; its record may have been deleted
	ComputedAt time.Time    // zero if suggestions were never computed
}

// Suggestions returns the stored suggestions of a connection. It leaves out pairs of which
// the company or the client was mapped since they were computed, and pairs that a person
// dismissed or unmapped.
func (s *Store) Suggestions(ctx context.Context, tenant string, connectionID uuid.UUID, f SuggestionFilter) (StoredSuggestions, error) {
	rows, err := s.forTenant(tenant).Query(ctx, suggestionsSQL, tenant, connectionID, minHundredths(f.MinScore), f.Certain, f.Limit)
	if err != nil {
		return StoredSuggestions{}, wrap("suggestions", err)
	}
	var out StoredSuggestions
	var company *uuid.UUID
	var name, external, clientName, reason *string
	var client *int64
	var score *int16
	var ambiguous *bool
	err = each(rows, func() {
		if company == nil { // the list has no such pair
			return
		}
		out.Pairs = append(out.Pairs, Suggestion{
			CompanyID: *company, CompanyName: *name, ExternalID: *external, ClientID: *client, ClientName: *clientName,
			Score: float64(*score) / 100, Reason: *reason, Ambiguous: *ambiguous,
		})
	}, &out.RunID, &out.ComputedAt, &out.Notices, &out.Total, &company, &name, &external, &client, &clientName, &score, &reason, &ambiguous)
	return out, wrap("suggestions", err)
}

// suggestionsSQL looks up each pair in the mappings and dismissals. "offset 0" keeps the
// planner from joining the tables, which would read all mappings of the connection.
const suggestionsSQL = `
	select l.run_id, l.computed_at, l.notices, count(s.position) over (),
		s.company_id, s.name, s.external_id, s.client_id, s.client_name, s.score, s.reason, s.ambiguous
	from halosync.suggestion_lists l
	left join lateral (
		select s.*, c.name, coalesce(btrim(c.external_id), '') as external_id
		from halosync.suggestions s
		cross join lateral (
			select co.name, co.external_id from halosync.companies co where co.tenant = s.tenant and co.id = s.company_id limit 1) c
		where s.tenant = l.tenant and s.connection_id = l.connection_id and s.score >= $3 and (not $4 or not s.ambiguous)
			and not exists (select from halosync.mappings m
				where m.tenant = s.tenant and m.company_id = s.company_id and m.connection_id = s.connection_id and m.deleted_at is null offset 0)
			and not exists (select from halosync.mappings m
				where m.tenant = s.tenant and m.connection_id = s.connection_id and m.client_id = s.client_id and m.deleted_at is null offset 0)
			and not exists (select from halosync.mappings m
				where m.tenant = s.tenant and m.connection_id = s.connection_id and m.company_id = s.company_id and m.client_id = s.client_id
					and m.deleted_at is not null offset 0)
			and not exists (select from halosync.dismissals d
				where d.tenant = s.tenant and d.connection_id = s.connection_id and d.company_id = s.company_id and d.client_id = s.client_id offset 0)
		) s on true
	where l.tenant = $1 and l.connection_id = $2
	order by s.position
	limit nullif($5, 0)`
