package tasks

import (
	"errors"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

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

// FuzzDecodeMessage checks that a message with an id and a queue is text, and that no
// message is mistaken for one of another release of asynq.
func FuzzDecodeMessage(f *testing.F) {
	good := forge(f, testUUID, nil)
	for _, message := range []string{good, good[:len(good)/2], good + good, "", "\xff", "\x0a\x02\xff\xff", `{"id":"x"}`, forge(f, "", map[protoreflect.Name]any{"queue": ""})} {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message string) {
		id, queue, err := decodeMessage(message)
		if errors.Is(err, errUnknownRelease) || err == nil && !utf8.ValidString(id+queue) {
			t.Errorf("%q: id %q, queue %q, error %v", message, id, queue, err)
		}
		if err == nil && len(id)+len(queue) > len(message) {
			t.Errorf("%q: id %q, queue %q", message, id, queue)
		}
	})
}
