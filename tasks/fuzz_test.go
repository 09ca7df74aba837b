package tasks

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
)

// FuzzReadStored checks that accepted arguments of any kind can be read again with the
// same key, and that rejected arguments return a short error.
func FuzzReadStored(f *testing.F) {
	const head = `{"tenant":"acme","connection_id":"` + testUUID + `"`
	for kind, args := range map[string][]string{
		KindImport: {`,"all":true}`, `,"search":"a\u202e"}`},
		KindMap:    {`,"pairs":[{"company":"a","client_id":1},{"company":"b","client_name":"c","line":2}]}`, `,"pairs":[{"company":"a\u0000","client_id":-1}]}`},
		KindUnmap:  {`,"mapping_ids":["` + testUUID + `"]}`, `,"mapping_ids":[]}`},
		KindResync: {`}`, `,"scheduled":true}`, `,"requested_by":"\u009b2J"}`},
		"halo:x":   {`}`},
	} {
		for _, a := range args {
			f.Add(kind, []byte(head+a))
		}
	}
	f.Fuzz(func(t *testing.T, kind string, args []byte) {
		stored, err := ReadStored(kind, args)
		if err != nil {
			if !errors.Is(err, ErrArguments) || len(err.Error()) > 20_000 {
				t.Errorf("error of %d bytes: %.300v", len(err.Error()), err)
			}
			return
		}
		for _, s := range []string{stored.Tenant, stored.RequestedBy} {
			if plaintext.Check(s) != nil {
				t.Errorf("accepted %+q", s)
			}
		}
		if len(stored.Args) > maxPayload || !utf8.Valid(stored.Args) {
			t.Errorf("%d bytes of arguments", len(stored.Args))
		}
		again, err := ReadStored(kind, stored.Args)
		if err != nil || again.Key != stored.Key || string(again.Args) != string(stored.Args) {
			t.Errorf("%s\nread again:\n%s\nerror %v", stored.Args, again.Args, err)
		}
	})
}
