package view

import (
	"encoding/json"
	"time"

	"github.com/halosync/halosync/repo"
)

// Event is the record of one change: who made it, when and how, and the values before and
// after.
type Event struct {
	ID           int64           `json:"id"`
	Tenant       string          `json:"tenant"`
	At           time.Time       `json:"at"`
	Actor        string          `json:"actor"`
	Action       string          `json:"action" example:"mapping.created"`
	How          string          `json:"how" doc:"For people; may be empty."`
	RunID        *string         `json:"run_id"`
	ConnectionID *string         `json:"connection_id" format:"uuid"`
	MappingID    *string         `json:"mapping_id" format:"uuid"`
	CompanyID    *string         `json:"company_id" format:"uuid"`
	ClientID     *int64          `json:"client_id"`
	Before       json.RawMessage `json:"before" doc:"Null if it was created."`
	After        json.RawMessage `json:"after" doc:"Null if it was deleted."`
	WrittenBy    *string         `json:"written_by" doc:"The role in Postgres that wrote the event, set by Postgres: that of the workers, of the CLI or of the owner. Null for events that are older than the field."`
}

// NewEvent returns the view of an event.
func NewEvent(e repo.Event) Event {
	return Event{
		ID: e.ID, Tenant: e.Tenant, At: e.At.UTC(), Actor: e.Actor, Action: e.Action, How: e.How,
		ConnectionID: idText(e.ConnectionID), MappingID: idText(e.MappingID), CompanyID: idText(e.CompanyID),
		ClientID: e.ClientID, RunID: runID(e.RunID), Before: e.Before, After: e.After, WrittenBy: e.WrittenBy,
	}
}
