package view

import (
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// Mapping is a company and a client that are the same customer.
type Mapping struct {
	ID             string            `json:"id" format:"uuid"`
	ConnectionID   string            `json:"connection_id" format:"uuid"`
	Connection     string            `json:"connection" doc:"Name of the connection."`
	CompanyID      string            `json:"company_id" doc:"Empty for a former mapping whose company was deleted."`
	CompanyName    string            `json:"company_name"`
	ClientID       int64             `json:"client_id"`
	ClientName     string            `json:"client_name" doc:"As last read from Halo."`
	ClientInactive bool              `json:"client_inactive"`
	MappedAt       time.Time         `json:"mapped_at"`
	MappedBy       string            `json:"mapped_by" enum:"import,map,suggest,restore"`
	State          repo.MappingState `json:"state" enum:"ok,inactive,missing,unverified" doc:"State of the client in Halo."`
	StateReason    string            `json:"state_reason"`
	LastVerifiedAt *time.Time        `json:"last_verified_at"`
	RunID          *string           `json:"run_id" doc:"The run that created it; null if a person did so without a run."`
	DeletedAt      *time.Time        `json:"deleted_at" doc:"When it was unmapped; null for an active mapping."`
	DeletedBy      *string           `json:"deleted_by"`
}

// NewMapping returns the view of a mapping.
func NewMapping(m repo.Mapping) Mapping {
	v := Mapping{
		ID: m.ID.String(), ConnectionID: m.ConnectionID.String(), Connection: m.Connection,
		CompanyID: m.CompanyID.String(), CompanyName: m.CompanyName,
		ClientID: m.ClientID, ClientName: m.ClientName, ClientInactive: m.ClientInactive,
		MappedAt: m.MappedAt.UTC(), MappedBy: m.MappedBy,
		State: m.State, StateReason: m.StateReason, LastVerifiedAt: UTC(m.LastVerifiedAt),
		RunID: runID(m.RunID), DeletedAt: UTC(m.DeletedAt),
	}
	if m.CompanyID == uuid.Nil {
		v.CompanyID = ""
	}
	if m.DeletedAt != nil {
		v.DeletedBy = &m.DeletedBy
	}
	return v
}

// Outcome is the outcome of a change to one mapping.
type Outcome struct {
	ID          string            `json:"id" format:"uuid"`
	CompanyID   *string           `json:"company_id" format:"uuid"`
	CompanyName *string           `json:"company_name"`
	ClientID    *int64            `json:"client_id"`
	ClientName  *string           `json:"client_name"`
	State       repo.MappingState `json:"state,omitempty"`
	Outcome     repo.Outcome      `json:"outcome" enum:"unmapped,already unmapped,restored,in force already,refused,does not exist"`
	Reason      string            `json:"reason"`
}

// NewOutcome returns the view of the outcome of a change to a mapping.
func NewOutcome(o repo.MappingOutcome) Outcome {
	v := Outcome{ID: o.ID.String(), Outcome: o.Outcome, Reason: o.Reason}
	if m := o.Mapping; m != nil {
		v.CompanyID, v.ClientID = itemIDs(repo.RunItem{CompanyID: m.CompanyID, ClientID: m.ClientID})
		v.CompanyName, v.ClientName, v.State = &m.CompanyName, &m.ClientName, m.State
	}
	return v
}

// Suggestion is a company and a client that may be the same customer.
type Suggestion struct {
	Score       float64 `json:"score" minimum:"0" maximum:"1"`
	CompanyID   string  `json:"company_id" format:"uuid"`
	CompanyName string  `json:"company_name"`
	ExternalID  string  `json:"external_id"`
	ClientID    int64   `json:"client_id"`
	ClientName  string  `json:"client_name"`
	Reason      string  `json:"reason"`
	Ambiguous   bool    `json:"ambiguous" doc:"Another pair fits nearly as well, so a person has to decide."`
}

// NewSuggestion returns the view of a suggestion.
func NewSuggestion(s repo.Suggestion) Suggestion {
	return Suggestion{
		Score: s.Score, CompanyID: s.CompanyID.String(), CompanyName: s.CompanyName, ExternalID: s.ExternalID,
		ClientID: s.ClientID, ClientName: s.ClientName, Reason: s.Reason, Ambiguous: s.Ambiguous,
	}
}
