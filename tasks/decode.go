package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxPayload bounds a payload, in bytes; the longest valid import has 220 kB,
// a request of pairs may be longer.
const maxPayload = 1 << 20

// encode writes arguments as a payload: canonical, valid, on one line.
func encode[A Args[A]](args A) ([]byte, error) {
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return nil, err
	}
	return payloadOf(args)
}

// payloadOf writes arguments on one line, unless that line would be too long.
func payloadOf(args any) ([]byte, error) {
	payload, err := json.Marshal(args)
	if err == nil && len(payload) > maxPayload {
		err = fmt.Errorf("request of %d bytes, at most %d are allowed: split it", len(payload), maxPayload)
	}
	return payload, err
}

// decode reads a payload, strictly: what this version does not understand it
// must not do by halves. It accepts everything that encode writes.
func decode[A Args[A]](payload []byte) (A, error) {
	var args, none A
	if len(payload) > maxPayload {
		return none, fmt.Errorf("payload: %d bytes, at most %d are allowed", len(payload), maxPayload)
	}
	if b := bytes.TrimSpace(payload); len(b) == 0 || b[0] != '{' {
		return none, errors.New("payload: not a JSON object") // null would pass as one
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&args); err != nil {
		return none, fmt.Errorf("payload: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return none, errors.New("payload: something follows the JSON object")
	}
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return none, fmt.Errorf("payload: %w", err)
	}
	return args, nil
}

// payloadTenant reads the tenant of a payload that decode refused, as far as
// that can be done; it is empty otherwise.
func payloadTenant(payload []byte) string {
	var who struct {
		Tenant string `json:"tenant"`
	}
	if len(payload) > maxPayload || json.Unmarshal(payload, &who) != nil {
		return ""
	}
	if checkText("tenant", who.Tenant, true) != nil {
		return ""
	}
	return who.Tenant
}
