package tasks

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testUUID = "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6"

func TestDecode(t *testing.T) {
	t.Parallel()
	const head = `{"tenant":"acme","connection_id":"` + testUUID + `"`
	for name, tc := range map[string]struct{ payload, want string }{
		"valid":           {head + `,"all":true}`, ""},
		"valid, spaced":   {" \n" + head + `,"search":"x"} ` + "\n", ""},
		"unknown field":   {head + `,"all":true,"force":true}`, `unknown field "force"`},
		"misspelt":        {head + `,"client_id":[1]}`, `unknown field "client_id"`},
		"trailing object": {head + `,"all":true}{}`, "unexpected data after"},
		"trailing brace":  {head + `,"all":true}}`, "unexpected data after"},
		"wrong type":      {head + `,"client_ids":"1,2"}`, "client_ids"},
		"fraction":        {head + `,"client_ids":[1.5]}`, "client_ids"},
		"too large":       {head + `,"client_ids":[9223372036854775808]}`, "client_ids"},
		"array":           {`[` + head + `}]`, "not a JSON object"},
		"null":            {`null`, "not a JSON object"},
		"empty":           {``, "not a JSON object"},
		"cut off":         {head, "unexpected EOF"},
		"binary":          {"{\x00\xff", "invalid character"},
		"invalid args":    {`{"tenant":"acme","all":true}`, "connection id: missing"},
		"oversized":       {`{"tenant":"` + strings.Repeat("x", maxPayload) + `"}`, "at most 1048576"},
		"deep":            {`{"client_ids":` + strings.Repeat("[", 100_000) + `}`, "exceeded max depth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decode[ImportArgs]([]byte(tc.payload))
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("unexpected error: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error = %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	args := validImport()
	args.All, args.ClientIDs = false, ids(MaxClientIDs)
	for i := range args.ClientIDs {
		args.ClientIDs[i] += 1 << 62 // 19 digits each
	}
	payload, err := encode(args)
	if err != nil {
		t.Fatal(err)
	}
	if len(payload) > maxPayload/2 || strings.Contains(string(payload), "\n") {
		t.Errorf("payload of %d bytes: too long or not on one line", len(payload))
	}
	back, err := decode[ImportArgs](payload)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(args, back); diff != "" {
		t.Error(diff)
	}
	if _, err := encode(ImportArgs{}); err == nil {
		t.Error("invalid arguments were encoded")
	}
}

func TestPayloadTenant(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"tenant":"acme","force":1}`: "acme",
		`{"tenant":7}`:                "",
		`{"tenant":"a\nb"}`:           "",
		`{"tenant":"acme"`:            "",
		``:                            "",
	} {
		if got := payloadTenant([]byte(payload)); got != want {
			t.Errorf("%s: tenant %q, want %q", payload, got, want)
		}
	}
}

// Accepted arguments are valid and canonical. Encoding and decoding them returns the
// same arguments.
func FuzzDecode(f *testing.F) {
	const head = `{"tenant":"acme","connection_id":"` + testUUID + `"`
	f.Add([]byte(head + `,"all":true}`))
	f.Add([]byte(head + `,"client_ids":[3,1,2,2],"dry_run":true,"requested_by":"é"}`))
	f.Add([]byte(head + `,"search":" x ","search":"y"}`))
	f.Add([]byte(head + `,"client_ids":null,"ALL":true}`))
	f.Add([]byte(`{"tenant":`))
	f.Add(fmt.Appendf(nil, "%s,%q:[%d]}", head, "client_ids", int64(-1)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		args, err := decode[ImportArgs](payload)
		if err != nil {
			return
		}
		if !json.Valid(payload) {
			t.Errorf("accepted although it is not JSON: %q", payload)
		}
		if err := args.Validate(); err != nil {
			t.Errorf("accepted although it is invalid: %v", err)
		}
		again, err := encode(args)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode[ImportArgs](again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(args, back); diff != "" {
			t.Error(diff)
		}
	})
}
