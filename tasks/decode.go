package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxPayload is the maximum length of a payload in bytes. The longest valid import takes
// 220 kB; a request with pairs may be longer.
const maxPayload = 1 << 20

// encode validates args and returns the payload: canonical JSON on one line.
func encode[A Args[A]](args A) ([]byte, error) {
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return nil, err
	}
	return payloadOf(args)
}

// payloadOf encodes args as one line of at most maxPayload bytes.
func payloadOf(args any) ([]byte, error) {
	payload, err := json.Marshal(args)
	if err == nil && len(payload) > maxPayload {
		err = fmt.Errorf("request of %d bytes, at most %d are allowed: split it", len(payload), maxPayload)
	}
	return payload, err
}

// decode decodes a payload. It rejects unknown fields, so that this version never
// executes only part of a request. It accepts everything that encode writes.
func decode[A Args[A]](payload []byte) (A, error) {
	var args, none A
	if len(payload) > maxPayload {
		return none, fmt.Errorf("payload: %d bytes, at most %d are allowed", len(payload), maxPayload)
	}
	if b := bytes.TrimSpace(payload); len(b) == 0 || b[0] != '{' {
		return none, errors.New("payload: not a JSON object") // the decoder would accept null
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&args); err != nil {
		return none, fmt.Errorf("payload: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return none, errors.New("payload: unexpected data after the JSON object")
	}
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return none, fmt.Errorf("payload: %w", err)
	}
	return args, nil
}

// payloadTenant returns the tenant of a payload that decode rejected, or "" if it
// cannot read the tenant.
func payloadTenant(payload []byte) string {
	var partial struct {
		Tenant string `json:"tenant"`
	}
	if len(payload) > maxPayload || json.Unmarshal(payload, &partial) != nil {
		return ""
	}
	if checkText("tenant", partial.Tenant, true) != nil {
		return ""
	}
	return partial.Tenant
}
