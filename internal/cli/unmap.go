package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

var outcomeColumns = []column[view.Outcome]{
	{title: "id", value: func(o view.Outcome) string { return o.ID }},
	{title: "company_name", wide: true, value: func(o view.Outcome) string { return orEmpty(o.CompanyName) }},
	{title: "client_id", value: func(o view.Outcome) string { return number(o.ClientID) }},
	{title: "client_name", wide: true, value: func(o view.Outcome) string { return orEmpty(o.ClientName) }},
	{title: "state", extra: true, value: func(o view.Outcome) string { return string(o.State) }},
	{title: "outcome", value: func(o view.Outcome) string { return string(o.Outcome) }},
	{title: "reason", wide: true, value: func(o view.Outcome) string { return o.Reason }},
}

func (a *app) unmapCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unmap MAPPING...", Short: "Unmap companies from clients; neither is deleted",
		Long: `unmap takes effect at once, even during an import or a resync of the connection,
which does not map the pair again. "enqueue mappings --unmapped" lists former
mappings; "enqueue restore" restores them.`,
		Example: "  enqueue unmap 0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172",
		Args:    someMappings,
		RunE:    a.changeMappings((*engine.Engine).UnmapNow),
	}
}

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore MAPPING...", Short: "Restore former mappings",
		Long: `restore makes former mappings active again, with the same ids. Each client is read
from Halo, which needs HALOSYNC_KEYSET. If a client cannot be read, its mapping is
unverified until the next resync. A mapping is refused if its company was deleted,
or if its company or client is mapped elsewhere.`,
		Example: "  enqueue restore 0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172",
		Args:    someMappings,
		RunE:    a.changeMappings((*engine.Engine).Restore),
	}
}

type mappingChange = func(e *engine.Engine, ctx context.Context, tenant, actor string, ids []string) ([]repo.MappingOutcome, error)

// changeMappings returns the RunE function of a command that changes the mappings named in
// its arguments.
func (a *app) changeMappings(change mappingChange) func(*cobra.Command, []string) error {
	return a.do(func(ctx context.Context, ids []string) error {
		return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
			outcomes, err := change(p.engine, ctx, p.tenant, a.actor(), ids)
			if err != nil {
				return err
			}
			return a.printOutcomes(outcomes)
		})
	})
}

// someMappings requires at least one argument.
func someMappings(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef(`want the id of a mapping, as "enqueue mappings" shows it`)
	}
	return nil
}

// printOutcomes prints the outcome for each mapping. It returns a needsPersonError if a
// mapping does not exist or was refused.
func (a *app) printOutcomes(outcomes []repo.MappingOutcome) error {
	if err := list(a, view.Each(outcomes, view.NewOutcome), outcomeColumns); err != nil {
		return err
	}
	refused := 0
	for _, o := range outcomes {
		if o.Outcome == repo.DoesNotExist || o.Outcome == repo.Refused {
			refused++
		}
	}
	if refused > 0 {
		return &needsPersonError{fmt.Sprintf("%s of %s could not be changed; see the reasons", plaintext.Count(refused), plaintext.Plural(len(outcomes), "mapping", "mappings"))}
	}
	return nil
}
