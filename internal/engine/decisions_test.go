package engine

import (
	"errors"
	"fmt"
	"testing"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

func TestUndoKeepsWhatTheProductUses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		company repo.UndoCompany
		want    string
	}{
		"untouched":         {repo.UndoCompany{}, ""},
		"external id":       {repo.UndoCompany{ExternalID: "crm-1"}, "it now has an external id (crm-1)"},
		"renamed":           {repo.UndoCompany{Changed: true}, "it was changed since"},
		"mapped elsewhere":  {repo.UndoCompany{Mapped: true, MappedElsewhere: true, ClientID: 7, ClientName: "Seven"}, "it is mapped to client 7 (Seven)"},
		"was mapped before": {repo.UndoCompany{MappedElsewhere: true}, "it has been mapped to another client since"},
	} {
		if got := keepCompany(tc.company); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestSideOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		client halo.Client
		err    error
		want   repo.HaloSide
	}{
		"found":    {halo.Client{ID: 1, Name: "A"}, nil, repo.HaloSide{State: "ok", Name: "A"}},
		"inactive": {halo.Client{ID: 1, Name: "A", Inactive: true}, nil, repo.HaloSide{State: "inactive", Name: "A", Inactive: true}},
		"gone":     {halo.Client{}, fmt.Errorf("read: %w", halo.ErrNotFound), repo.HaloSide{State: "missing", Reason: "restored; Halo does not show its client: it was deleted, or the agent may not read it"}},
		"hidden":   {halo.Client{}, halo.ErrForbidden, repo.HaloSide{State: "unverified", Reason: "restored; Halo could not be read: access denied"}},
		"no keys":  {halo.Client{}, errors.New("no key set"), repo.HaloSide{State: "unverified", Reason: "restored; Halo could not be read: no key set"}},
	} {
		if got := sideOf(tc.client, tc.err); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}
