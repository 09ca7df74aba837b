package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/halosync/halosync/tasks"
)

// The product requests an import and waits for its result.
func ExampleClient_Import() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stop := startWorker() // usually in another program
	defer stop()

	queue, err := tasks.Open(tasks.RedisURL()) // the value of REDIS_URL
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = queue.Close() }() // an error here loses nothing

	receipt, err := queue.Import(ctx, tasks.ImportArgs{
		Tenant:       "acme",
		ConnectionID: "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6",
		Search:       "Contoso",
		RequestedBy:  "ann@acme.example",
	})
	if err != nil {
		log.Fatal(err) // err lists all faults of the arguments
	}
	result, err := queue.Wait(ctx, receipt.RunID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.State, result.Pages, result.Created)
	// Output: succeeded 1 2
}

// The product requests a run in its own transaction. A rollback cancels the request.
func ExampleStatement() {
	query, params, err := tasks.Statement(tasks.Import(), tasks.ImportArgs{
		Tenant:       "acme",
		ConnectionID: "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6",
		ClientIDs:    []int64{12, 7},
		RequestedBy:  "ann@acme.example",
	})
	if err != nil {
		log.Fatal(err) // err lists all faults of the arguments
	}
	// With pgx: err = tx.QueryRow(ctx, query, params...).Scan(&runID)
	fmt.Println(query)
	fmt.Println(params[0], params[1], params[3])
	// Output:
	// select replace(halosync.enqueue($1, $2, $3::uuid, $4::jsonb, $5)::text, '-', '')
	// halo:import acme {"tenant":"acme","connection_id":"0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6","client_ids":[7,12],"requested_by":"ann@acme.example"}
}

// Validate refuses an invalid request before anything is enqueued.
func ExampleImportArgs_Validate() {
	args := tasks.ImportArgs{Tenant: "acme", ConnectionID: "main", All: true, ClientIDs: []int64{12}}
	fmt.Println(args.Validate())
	// Output:
	// connection id: not a uuid of the form 0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6
	// want one of all, search and client ids, not several
}

// A worker executes the import. Its handler decides how the run continues.
func ExampleHandle() {
	address, err := tasks.ParseAddress("redis://127.0.0.1:6379/0")
	if err != nil {
		log.Fatal(err)
	}
	server, err := tasks.NewServer(tasks.ServerConfig{Redis: address})
	if err != nil {
		log.Fatal(err)
	}
	tasks.Handle(server, tasks.Import(), func(ctx context.Context, job tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
		for page := 1; page <= 3; page++ {
			select {
			case <-job.Draining: // the next worker continues at this page
				return tasks.RunResult{}, tasks.Later(0, errors.New("worker is stopping"))
			default:
			}
			// Here the handler reads the page and writes it in one transaction.
		}
		return tasks.RunResult{RunID: job.RunID, State: "succeeded", Pages: 3}, ctx.Err()
	})
	// After this, the program calls server.Start(). On SIGTERM it calls:
	if err := server.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
}

// startWorker starts a worker whose imports find two clients each.
func startWorker() (stop func()) {
	address, err := tasks.ParseAddress(tasks.RedisURL())
	if err != nil {
		log.Fatal(err)
	}
	server, err := tasks.NewServer(tasks.ServerConfig{Redis: address})
	if err != nil {
		log.Fatal(err)
	}
	tasks.Handle(server, tasks.Import(), func(_ context.Context, job tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
		return tasks.RunResult{RunID: job.RunID, State: "succeeded", Pages: 1, Created: 2}, nil
	})
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	return func() {
		if err := server.Shutdown(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
}
