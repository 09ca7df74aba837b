package console

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// chosen returns the ids of the mappings to change: the mapping whose button was
// pressed, or all ticked mappings.
func (r *request) chosen() ([]string, error) {
	if only := r.value("only"); only != "" {
		return []string{only}, nil
	}
	ids := r.PostForm["id"]
	if len(ids) == 0 {
		return nil, &problem.InputError{Reason: "No mapping is selected. Select at least one."}
	}
	for _, id := range ids {
		if _, err := uuid.Parse(id); err != nil {
			return nil, &problem.InputError{Reason: "Invalid mapping id. Open the list again."}
		}
	}
	return ids, nil
}

// back returns the URL of the list that contained the form.
func (r *request) back() string {
	here := r.value("back")
	if here == "/mappings" || strings.HasPrefix(here, "/mappings?") {
		return here
	}
	return "/mappings"
}

// mappingChange changes mappings and returns the outcome for each.
type mappingChange func(ctx context.Context, tenant, actor string, ids []string) ([]repo.MappingOutcome, error)

// changeMappings calls change for the mappings in a form and shows the list again. The
// function describe returns the message for the mappings that have the wanted outcome.
func changeMappings(r *request, change mappingChange, wanted repo.Outcome, describe func(done []repo.MappingOutcome) *flash) error {
	ids, err := r.chosen()
	if err != nil {
		return err
	}
	outcomes, err := change(r.Context(), r.Tenant, r.Actor, ids)
	if err != nil {
		return err
	}
	if allOf(outcomes, repo.DoesNotExist) {
		return repo.ErrNotFound
	}
	var done []repo.MappingOutcome
	for _, o := range outcomes {
		if o.Outcome == wanted {
			done = append(done, o)
		}
	}
	message := describe(done)
	if len(done) < len(outcomes) {
		message.Kind = "warn"
		message.Text += " " + others(outcomes, wanted)
	}
	return r.redirect(r.back(), message)
}

// unmapMappings unmaps without asking for confirmation and offers an undo.
func (c *Console) unmapMappings(r *request) error {
	return changeMappings(r, c.engine.UnmapNow, repo.Unmapped, func(done []repo.MappingOutcome) *flash {
		message := &flash{Text: plural(len(done), "company", "companies") + " unmapped."}
		for _, o := range done {
			message.Undo = append(message.Undo, o.ID)
		}
		if len(done) == 1 && done[0].Mapping != nil {
			message.Text = fmt.Sprintf("“%s” unmapped from “%s”.", done[0].Mapping.CompanyName, done[0].Mapping.ClientName)
		}
		return message
	})
}

// restoreMappings restores former mappings.
func (c *Console) restoreMappings(r *request) error {
	return changeMappings(r, c.engine.Restore, repo.Restored, func(done []repo.MappingOutcome) *flash {
		return &flash{Text: plural(len(done), "mapping", "mappings") + " restored."}
	})
}

func allOf(outcomes []repo.MappingOutcome, outcome repo.Outcome) bool {
	for _, o := range outcomes {
		if o.Outcome != outcome {
			return false
		}
	}
	return true
}

// others describes the mappings that have any other outcome: their number and the
// reason for the first.
func others(outcomes []repo.MappingOutcome, wanted repo.Outcome) string {
	n, why := 0, ""
	for _, o := range outcomes {
		if o.Outcome == wanted {
			continue
		}
		if n++; n == 1 {
			why = string(o.Outcome)
			if o.Reason != "" {
				why = o.Reason
			}
		}
	}
	if n == 1 {
		return "1 was not changed: " + why + "."
	}
	return count(n) + " were not changed, the first because: " + why + "."
}
