package listing

import (
	"encoding/json"
	"fmt"

	"github.com/halosync/halosync/halo"
)

// Cursor is the checkpoint of an import or resync. It is committed in the transaction of
// each batch.
type Cursor struct {
	// Pass is the number of the current pass over the list, from 1.
	Pass int `json:"pass"`
	// List is the position in the pass. Its set of seen ids is stored in run_pages.
	List halo.Cursor `json:"list"`
	// Passes are the certificates of the passes that have ended.
	Passes []halo.Certificate `json:"passes,omitempty"`
	// Listed means that the listing is finished or was not needed. The remaining ids are
	// read one by one.
	Listed bool `json:"listed,omitempty"`
	// ByID counts the requested ids that were read one by one.
	ByID int `json:"by_id,omitempty"`
	// Complete and Reason are the result of [proof.Complete].
	Complete bool   `json:"complete,omitempty"`
	Reason   string `json:"reason,omitempty"`

	// Way is how a resync reads clients: from the list or one by one. Missing is the
	// number of clients that this resync is the first to find missing.
	Way     string `json:"way,omitempty"`
	Missing int    `json:"missing,omitempty"`
}

// ReadCursor decodes a stored checkpoint. An empty checkpoint is the start of a run.
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

// Encode encodes the checkpoint for storage.
func (c Cursor) Encode() (json.RawMessage, error) { return json.Marshal(c) }
