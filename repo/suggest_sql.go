package repo

// The statements of [Store.Suggest]. Statements without a tenant read only temporary
// tables of the transaction, which hold the rows of one tenant. "short" is the
// beginning of the stem, for similarity.
const (
	suggestTablesSQL = `
		create temporary table suggest_companies (id uuid, name text, external_id text, norm text, stem text, form text, short text) on commit drop;
		create temporary table suggest_clients (id bigint, norm text, stem text, form text, short text, ref text, accounts_id text) on commit drop;
		create temporary table suggest_barred (company_id uuid, client_id bigint) on commit drop;
		create temporary table suggest_pairs (company_id uuid, client_id bigint, match text, similarity float8) on commit drop`

	// These sub-selects are evaluated once. With joins, a planner that estimates no
	// rows for the tenant would read all mappings for each company and for each client.
	suggestCompaniesSQL = `
		select co.id, co.name, coalesce(co.external_id, ''), co.norm_name
		from halosync.companies co
		where co.tenant = $1 and co.id not in (
			select m.company_id from halosync.mappings m
			where m.tenant = $1 and m.connection_id = $2 and m.company_id is not null and m.deleted_at is null)`

	suggestMappedSQL = `
		delete from pg_temp.suggest_clients c
		where (c.id in (
			select m.client_id from halosync.mappings m
			where m.tenant = $1 and m.connection_id = $2 and m.deleted_at is null)) is true`

	suggestBarredSQL = `
		insert into pg_temp.suggest_barred
		select company_id, client_id from halosync.dismissals where tenant = $1 and connection_id = $2
		union
		select company_id, client_id from halosync.mappings
		where tenant = $1 and connection_id = $2 and deleted_at is not null and company_id is not null`

	// The index uses the hash, because a long name does not fit into an index row.
	suggestIndexSQL = `
		create index on pg_temp.suggest_companies (hashtextextended(stem, 0));
		create index on pg_temp.suggest_barred (client_id, company_id);
		analyze pg_temp.suggest_companies, pg_temp.suggest_clients, pg_temp.suggest_barred`

	suggestKeysSQL = `
		insert into pg_temp.suggest_pairs
		select k.id, c.id, $1, 0 from pg_temp.suggest_clients c
		join pg_temp.suggest_companies k on k.external_id = case $1 when 'ref' then c.ref else c.accounts_id end
		where k.external_id <> ''
			and not exists (select from pg_temp.suggest_barred b where b.client_id = c.id and b.company_id = k.id)`

	// The caller appends the condition on the names.
	suggestNumbersSQL = `
		insert into pg_temp.suggest_pairs
		select k.id, c.id, 'number', 0 from pg_temp.suggest_clients c
		join pg_temp.suggest_companies k on k.external_id = c.id::text
		where not exists (select from pg_temp.suggest_barred b where b.client_id = c.id and b.company_id = k.id) and `

	// The lateral join matches clients one by one, with a limit. Otherwise thousands of
	// companies and clients with the same name would form millions of pairs.
	suggestNamesSQL = `
		insert into pg_temp.suggest_pairs
		select k.id, c.id, case when k.same then 'name' else 'stem' end, 0
		from pg_temp.suggest_clients c
		cross join lateral (
			select s.id, s.norm = c.norm as same from pg_temp.suggest_companies s
			where hashtextextended(s.stem, 0) = hashtextextended(c.stem, 0) and s.stem = c.stem
				and not exists (select from pg_temp.suggest_barred b where b.client_id = c.id and b.company_id = s.id)
			order by same desc, s.form = c.form desc, s.id limit $1) k`

	suggestLeftSQL = `
		create temporary table suggest_left on commit drop as
			select id, short from pg_temp.suggest_companies k
			where not exists (select from pg_temp.suggest_pairs p where p.company_id = k.id);
		create index on pg_temp.suggest_left using gin (short gin_trgm_ops);
		analyze pg_temp.suggest_left, pg_temp.suggest_pairs`

	suggestSimilarSQL = `
		insert into pg_temp.suggest_pairs
		select k.id, c.id, 'similar', k.similarity
		from pg_temp.suggest_clients c
		cross join lateral (
			select s.id, similarity(s.short, c.short) as similarity from pg_temp.suggest_left s
			where s.short % c.short
				and not exists (select from pg_temp.suggest_barred b where b.client_id = c.id and b.company_id = s.id)
			order by similarity desc, s.id limit $1) k
		where not exists (select from pg_temp.suggest_pairs p where p.client_id = c.id)`

	suggestedSQL = `
		select p.company_id, k.name as company_name, k.external_id, p.client_id,
			k.form as company_form, c.form as client_form, p.match, p.similarity
		from pg_temp.suggest_pairs p
		join pg_temp.suggest_companies k on k.id = p.company_id
		join pg_temp.suggest_clients c on c.id = p.client_id`
)
