package console

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// chosen returns the mappings of a form: the one whose button was pressed, or those that
// are ticked.
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

// back returns the URL of the list that the form was on.
func (r *request) back() string {
	here := r.value("back")
	if here == "/mappings" || strings.HasPrefix(here, "/mappings?") {
		return here
	}
	return "/mappings"
}

// unmapMappings unmaps at once and offers to undo it.
func (c *Console) unmapMappings(r *request) error {
	ids, err := r.chosen()
	if err != nil {
		return err
	}
	outcomes, err := c.engine.UnmapNow(r.Context(), r.Tenant, r.Actor, ids)
	if err != nil {
		return err
	}
	said := &flash{}
	for _, o := range outcomes {
		if o.Outcome == repo.Unmapped {
			said.Undo = append(said.Undo, o.ID)
		}
	}
	done := len(said.Undo)
	said.Text = plural(done, "company", "companies") + " unmapped."
	if done == 1 {
		for _, o := range outcomes {
			if o.Outcome == repo.Unmapped && o.Mapping != nil {
				said.Text = fmt.Sprintf("“%s” unmapped from “%s”.", o.Mapping.CompanyName, o.Mapping.ClientName)
			}
		}
	}
	if done < len(outcomes) {
		said.Kind = "warn"
		said.Text += " " + others(outcomes, repo.Unmapped)
	}
	if done == 0 && allOf(outcomes, repo.DoesNotExist) {
		return repo.ErrNotFound
	}
	return r.redirect(r.back(), said)
}

// restoreMappings restores former mappings.
func (c *Console) restoreMappings(r *request) error {
	ids, err := r.chosen()
	if err != nil {
		return err
	}
	outcomes, err := c.engine.Restore(r.Context(), r.Tenant, r.Actor, ids)
	if err != nil {
		return err
	}
	if allOf(outcomes, repo.DoesNotExist) {
		return repo.ErrNotFound
	}
	done := 0
	for _, o := range outcomes {
		if o.Outcome == repo.Restored {
			done++
		}
	}
	said := &flash{Text: plural(done, "mapping", "mappings") + " restored."}
	if done < len(outcomes) {
		said.Kind = "warn"
		said.Text += " " + others(outcomes, repo.Restored)
	}
	return r.redirect(r.back(), said)
}

func allOf(outcomes []repo.MappingOutcome, outcome string) bool {
	for _, o := range outcomes {
		if o.Outcome != outcome {
			return false
		}
	}
	return true
}

// others describes the mappings without the wanted outcome: how many, and the reason of
// the first.
func others(outcomes []repo.MappingOutcome, wanted string) string {
	n, why := 0, ""
	for _, o := range outcomes {
		if o.Outcome == wanted {
			continue
		}
		if n++; n == 1 {
			why = o.Outcome
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
