package tasks

// statementSQL calls the function that the ledger's schema brings along.
const statementSQL = `select replace(halosync.enqueue($1, $2, $3::uuid, $4::jsonb, $5)::text, '-', '')`

// Statement is the SQL that requests a run in the caller's own transaction, and
// its parameters, for any driver of Postgres. It returns one text, the run's
// id. If that transaction commits, the run will be executed, whatever happens to
// Redis; [Client.Wait] waits for it. The same request (see [Key]), while the
// first is waiting or running, has the first one's id.
//
// Wrong arguments are reported here, before anything is asked of the database.
func Statement[A Args[A], R any](kind Kind[A, R], args A) (query string, params []any, err error) {
	if err := kind.fault(); err != nil {
		return "", nil, err
	}
	args = args.Canonical()
	payload, err := encode(args)
	if err != nil {
		return "", nil, err
	}
	of := args.Origin()
	return statementSQL, []any{kind.Name, of.Tenant, of.ConnectionID, string(payload), of.RequestedBy}, nil
}
