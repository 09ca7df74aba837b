package listing

import (
	"cmp"
	"slices"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/repo"
)

// Rows returns the catalogue rows of clients in ascending order of id, and their
// normalised names.
func Rows(clients []halo.Client) ([]repo.Client, []string) {
	byID := func(a, b halo.Client) int { return cmp.Compare(a.ID, b.ID) }
	if !slices.IsSortedFunc(clients, byID) { // Halo usually sends them sorted
		clients = slices.SortedFunc(slices.Values(clients), byID)
	}
	rows, norms := make([]repo.Client, len(clients)), make([]string, len(clients))
	for i, c := range clients {
		rows[i] = Row(c)
		norms[i] = names.Normalise(c.Name)
	}
	return rows, norms
}

// Row returns the catalogue row of a client.
func Row(c halo.Client) repo.Client {
	return repo.Client{ID: c.ID, Name: c.Name, Inactive: c.Inactive, TopLevelID: c.TopLevelID, TopLevelName: c.TopLevelName}
}

// Refresh compares the client data stored in a mapping with the client in Halo.
func Refresh(c repo.Client, m repo.StoredMapping) repo.Decision {
	state := repo.MappingOK
	if c.Inactive {
		state = repo.MappingInactive
	}
	outcome := repo.Unchanged
	if m.ClientName != c.Name || m.ClientInactive != c.Inactive || m.State != state {
		outcome = repo.Refreshed
	}
	return repo.Decision{Outcome: outcome, CompanyID: m.CompanyID}
}
