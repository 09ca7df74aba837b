package engine

import (
	"context"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Import executes an import run; see perform for what it returns.
func (e *Engine) Import(ctx context.Context, job tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
	x, err := newExecution(repo.KindImport, job, job.Args.Tenant, job.Args.ConnectionID, job.Args.RequestedBy)
	if err != nil {
		return tasks.RunResult{}, tasks.Never(err)
	}
	return e.perform(ctx, x, func(ctx context.Context, claim repo.Claim) (ending, error) {
		_, api, end, err := e.openSame(ctx, claim, classOf(tasks.Import().Queue(job.Args)))
		if err != nil || end.state != "" {
			return end, err
		}
		im, err := e.newImporter(ctx, job, claim, api)
		if err != nil {
			return ending{}, err
		}
		return im.run(ctx)
	})
}
