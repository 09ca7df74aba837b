package listing

import (
	"encoding/json"
	"fmt"

	"github.com/halosync/halosync/halo"
)

// Cursor is the checkpoint of an import or resync, stored with each batch. What it says
// has been done has been committed with it.
type Cursor struct {
	// Pass over the listing, from 1.
	Pass int `json:"pass"`
	// List is where the pass stands; its set of seen ids comes from run_pages.
	List halo.Cursor `json:"list"`
	// Passes are the certificates of the passes that have ended.
	Passes []halo.Certificate `json:"passes,omitempty"`
	// New counts the ids of this pass that no pass before it showed.
	New int `json:"new,omitempty"`
	// Listed says that the listing is over (or was never needed) and the
	// rest of a list of ids is read one by one.
	Listed bool `json:"listed,omitempty"`
	// ByID counts the ids of the request that were read one by one.
	ByID int `json:"by_id,omitempty"`
	// Complete and Reason are the proof of the list.
	Complete bool   `json:"complete,omitempty"`
	Reason   string `json:"reason,omitempty"`

	// Way is how a resync reads: by a listing or one by one. Missing is how many
	// clients it did not find that were there before.
	Way     string `json:"way,omitempty"`
	Missing int    `json:"missing,omitempty"`
}

// ReadCursor decodes a stored checkpoint; none is the start of a run.
func ReadCursor(raw json.RawMessage) (Cursor, error) {
	c := Cursor{Pass: 1}
	if len(raw) == 0 || string(raw) == "null" {
		return c, nil
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("checkpoint of the run: %w", err)
	}
	return c, nil
}

// Encode returns the checkpoint as it is stored.
func (c Cursor) Encode() (json.RawMessage, error) { return json.Marshal(c) }
