package repo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	mapPairsSQL = `
		with added as (
			insert into halosync.mappings
				(tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state, last_verified_at, run_id)
			select $1, n.id, $2, n.company_id, n.client_id, n.name, n.inactive, $11,
				case when n.inactive then 'inactive' else 'ok' end, now(), $3
			from unnest($5::uuid[], $6::uuid[], $7::bigint[], $8::text[], $9::boolean[]) as n(id, company_id, client_id, name, inactive)
			returning *)
		insert into halosync.events (tenant, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, before, after)
		select $1, $4, 'mapping.created', $12, $3, $2, a.id, a.company_id, a.client_id, n.before,
			jsonb_build_object('company_name', c.name, 'client_name', a.client_name, 'client_inactive', a.client_inactive, 'state', a.state)
		from added a
		join unnest($5::uuid[], $10::jsonb[]) as n(id, before) on n.id = a.id
		join halosync.companies c on c.tenant = a.tenant and c.id = a.company_id
		order by a.id`

	addPairsSQL = `
		insert into halosync.run_items (tenant, run_id, seq, pair, client_id, company_id, outcome, reason, settled)
		select $1, $2, n.pair, n.pair, nullif(n.client_id, 0), n.company_id, n.outcome, n.reason, n.outcome <> $8
		from unnest($3::integer[], $4::bigint[], $5::uuid[], $6::text[], $7::text[]) as n(pair, client_id, company_id, outcome, reason)`

	// countRunSQL updates the counts of a run that processes a request, not a listing.
	countRunSQL = `
		update halosync.runs set
			pages = pages + 1, beat_at = now(), deaths = 0, records = records + $4, records_total = $5, cursor = coalesce($6::jsonb, cursor),
			linked = linked + $7, refreshed = refreshed + $8, unchanged = unchanged + $9, ambiguous = ambiguous + $10,
			failed = failed + $11, removed = removed + $12
		where tenant = $1 and id = $2 and fence = $3`
)

// mapWrite holds the rows that a chunk of pairs writes.
type mapWrite struct {
	chunk    MapChunk
	counts   Counts
	clients  clientColumns // for the catalogue, without duplicates
	refresh  mappingColumns
	mappings mappingColumns
	before   [][]byte // per mapping: the mappings that it replaces
	replaced []uuid.UUID
	pairs    []int // numbers of the items' pairs
	items    itemColumns
}

// newMapWrite groups decisions by the tables that they change.
func newMapWrite(c MapChunk, decisions []PairDecision) (*mapWrite, error) {
	if err := c.check(decisions); err != nil {
		return nil, err
	}
	w := &mapWrite{chunk: c}
	seen := make(map[int64]bool)
	for _, d := range decisions {
		if d.Client.ID > 0 && !seen[d.Client.ID] && unstorableClient(d.Client) == "" {
			seen[d.Client.ID] = true
			w.clients.add(d.Client)
		}
		w.pairs = append(w.pairs, d.Pair)
		w.items.add(RunItem{ClientID: d.Client.ID, CompanyID: d.CompanyID, Outcome: d.Outcome, Reason: d.Reason})
		switch {
		case d.Outcome == Mapped:
			if err := w.link(d); err != nil {
				return nil, err
			}
		case d.Outcome == AlreadyMapped:
			w.counts.Unchanged++
			if !slices.Contains(w.refresh.clientIDs, d.Client.ID) {
				w.refresh.addClient(d.Client)
			}
		case d.Ambiguous:
			w.counts.Ambiguous++
		default:
			w.counts.Failed++
		}
	}
	return w, nil
}

func (w *mapWrite) link(d PairDecision) error {
	id, err := newID()
	if err != nil {
		return err
	}
	before, err := replacedFacts(d)
	if err != nil {
		return fmt.Errorf("pair %d: %w", d.Pair, err)
	}
	for _, f := range d.Replaces {
		w.replaced = append(w.replaced, f.ID)
	}
	w.counts.Linked++
	w.counts.Removed += len(d.Replaces)
	w.before = append(w.before, before)
	w.mappings.ids = append(w.mappings.ids, id)
	w.mappings.companyIDs = append(w.mappings.companyIDs, d.CompanyID)
	w.mappings.addClient(d.Client)
	return nil
}

// replacedFacts returns the previous mappings of a new mapping's company and client,
// for its event. It returns nil if there were none.
func replacedFacts(d PairDecision) ([]byte, error) {
	if len(d.Replaces) == 0 {
		return nil, nil
	}
	facts := make(map[string]any)
	for _, f := range d.Replaces {
		side := map[string]any{
			"mapping_id": f.ID, "company_id": f.CompanyID, "company_name": f.CompanyName,
			"client_id": f.ClientID, "client_name": f.ClientName,
		}
		if f.CompanyID == d.CompanyID {
			facts["company"] = side
		} else {
			facts["client"] = side
		}
	}
	return json.Marshal(facts)
}

// send writes the chunk. It unmaps the replaced mappings before it adds new ones.
func (w *mapWrite) send(ctx context.Context, tx pgx.Tx, ref RunRef, actor string) error {
	gone := deletion{tenant: ref.Tenant, actor: actor, how: "replaced", runID: &ref.ID, ids: w.replaced}
	if _, err := deleteMappings(ctx, tx, gone); err != nil {
		return err
	}
	b := &pgx.Batch{}
	if cl := w.clients; len(cl.ids) > 0 {
		b.Queue(upsertClientsSQL, ref.Tenant, ref.ConnectionID, cl.ids, cl.names, cl.inactive, cl.topIDs, cl.topNames)
	}
	if m := w.mappings; len(m.ids) > 0 {
		b.Queue(mapPairsSQL, ref.Tenant, ref.ConnectionID, ref.ID, actor,
			m.ids, m.companyIDs, m.clientIDs, m.names, m.inactive, w.before, w.chunk.MappedBy, w.chunk.How)
	}
	if r := w.refresh; len(r.clientIDs) > 0 {
		b.Queue(refreshMappingsSQL, ref.Tenant, ref.ConnectionID, ref.ID, actor, r.clientIDs, r.names, r.inactive, w.chunk.How)
	}
	b.Queue(addPairsSQL, ref.Tenant, ref.ID, w.pairs, w.items.clientIDs, w.items.companyIDs, w.items.outcomes, w.items.reasons, Refused)
	queueChunk(b, ref, w.chunk.Number, len(w.pairs), w.chunk.RecordsTotal, w.chunk.Cursor, w.counts)
	return tx.SendBatch(ctx, b).Close()
}

// queueChunk queues the writes that record a chunk as done: the chunk, as a page of
// pass 0, and the run's counts and checkpoint.
func queueChunk(b *pgx.Batch, ref RunRef, number, records, total int, cursor json.RawMessage, c Counts) {
	b.Queue(addPageSQL, ref.Tenant, ref.ID, 0, number, []int64{})
	b.Queue(countRunSQL, ref.Tenant, ref.ID, ref.Fence, records, total, cursor,
		c.Linked, c.Refreshed, c.Unchanged, c.Ambiguous, c.Failed, c.Removed)
}
