package tasks

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const otherUUID = "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f7"

func validMap() MapArgs {
	return MapArgs{Tenant: "acme", ConnectionID: otherUUID, Pairs: []Pair{{Company: "crm-1", ClientID: 12}, {Company: "Bakery", ClientName: "The Bakery"}}}
}

func validUnmap() UnmapArgs {
	return UnmapArgs{Tenant: "acme", ConnectionID: otherUUID, MappingIDs: []string{otherUUID}}
}

func TestArgumentsOfMappings(t *testing.T) {
	t.Parallel()
	mapped := func(change func(*MapArgs)) error {
		a := validMap()
		change(&a)
		return a.Validate()
	}
	unmapped := func(change func(*UnmapArgs)) error {
		a := validUnmap()
		change(&a)
		return a.Validate()
	}
	for name, tc := range map[string]struct {
		err  error
		want string // empty for valid
	}{
		"pairs":           {mapped(func(*MapArgs) {}), ""},
		"most pairs":      {mapped(func(a *MapArgs) { a.Pairs = slices.Repeat(a.Pairs, MaxPairs/2) }), ""},
		"no pairs":        {mapped(func(a *MapArgs) { a.Pairs = nil }), "pairs: none"},
		"too many pairs":  {mapped(func(a *MapArgs) { a.Pairs = slices.Repeat(a.Pairs, MaxPairs/2+1) }), "5002 given, at most 5000"},
		"no company":      {mapped(func(a *MapArgs) { a.Pairs[1].Company = "" }), "pair 2: company: missing"},
		"no client":       {mapped(func(a *MapArgs) { a.Pairs[0].ClientID = 0 }), "pair 1: no client"},
		"two clients":     {mapped(func(a *MapArgs) { a.Pairs[0].ClientName = "x" }), "pair 1: client id and client name"},
		"negative client": {mapped(func(a *MapArgs) { a.Pairs[0].ClientID = -3 }), "pair 1: -3 is not a client id"},
		"long name":       {mapped(func(a *MapArgs) { a.Pairs[1].ClientName = strings.Repeat("x", 4001) }), "client name: 4001 bytes"},
		"negative line":   {mapped(func(a *MapArgs) { a.Pairs[0].Line = -1 }), "pair 1: -1 is not a line"},
		"too long": {mapped(func(a *MapArgs) {
			a.Pairs[1].Company = strings.Repeat("x", 4000)
			a.Pairs = slices.Repeat(a.Pairs, 300)
		}), "split it"},
		"control":          {mapped(func(a *MapArgs) { a.Pairs[1].Company = "a\x1bb" }), "pair 2: company: character 2, U+001B"},
		"many faults":      {mapped(func(a *MapArgs) { a.Pairs = make([]Pair, 50) }), "pair 10: company: missing"},
		"map, no tenant":   {mapped(func(a *MapArgs) { a.Tenant = "" }), "tenant: missing"},
		"mappings":         {unmapped(func(*UnmapArgs) {}), ""},
		"no mappings":      {unmapped(func(a *UnmapArgs) { a.MappingIDs = nil }), "mapping ids: none"},
		"not a mapping":    {unmapped(func(a *UnmapArgs) { a.MappingIDs[0] = "x" }), "mapping id: not a uuid"},
		"many mappings":    {unmapped(func(a *UnmapArgs) { a.MappingIDs = slices.Repeat(a.MappingIDs, MaxMappings+1) }), "5001 given"},
		"unmap, nothing":   {UnmapArgs{}.Validate(), "connection id: missing"},
		"resync":           {ResyncArgs{Tenant: "acme", ConnectionID: otherUUID}.Validate(), ""},
		"resync, by whom?": {ResyncArgs{Tenant: "acme", ConnectionID: otherUUID, RequestedBy: "\n"}.Validate(), "requested by: only space"},
		"suggest":          {SuggestArgs{Tenant: "acme", ConnectionID: otherUUID}.Validate(), ""},
		"suggest, by whom": {SuggestArgs{Tenant: "acme", ConnectionID: otherUUID, RequestedBy: "\n"}.Validate(), "requested by: only space"},
		"suggest, nothing": {SuggestArgs{}.Validate(), "tenant: missing"},
		"resync, nothing":  {ResyncArgs{}.Validate(), "tenant: missing"},
	} {
		switch {
		case tc.want == "" && tc.err != nil:
			t.Errorf("%s: unexpected error: %v", name, tc.err)
		case tc.want != "" && (tc.err == nil || !strings.Contains(tc.err.Error(), tc.want)):
			t.Errorf("%s: error = %v, want %q in it", name, tc.err, tc.want)
		}
	}
	if n := strings.Count(mapped(func(a *MapArgs) { a.Pairs = make([]Pair, 50) }).Error(), "pair "); n != maxFaults {
		t.Errorf("error lists %d faulty pairs, want %d", n, maxFaults)
	}
}

// The requester, whether a person or the schedule, is not part of a request's identity.
// The order of mappings is not part of it either, but the order of pairs is.
func TestSameRequests(t *testing.T) {
	t.Parallel()
	one := ResyncArgs{Tenant: "acme", ConnectionID: otherUUID}
	two := ResyncArgs{Tenant: "acme", ConnectionID: strings.ToUpper(otherUUID), Scheduled: true, RequestedBy: "clock"}
	if Key(KindResync, one) != Key(KindResync, two) {
		t.Error("a scheduled resync counts as a different request")
	}
	if one.queue() != QueueImport || two.queue() != QueueResync {
		t.Errorf("queues %s and %s", one.queue(), two.queue())
	}
	if Key(KindSuggest, SuggestArgs{Tenant: "acme", ConnectionID: otherUUID}) !=
		Key(KindSuggest, SuggestArgs{Tenant: "acme", ConnectionID: strings.ToUpper(otherUUID), RequestedBy: "ann"}) {
		t.Error("the suggestions for another requester count as a different request")
	}
	a, b := validUnmap(), validUnmap()
	a.MappingIDs, b.MappingIDs = []string{otherUUID, testUUID}, []string{testUUID, strings.ToUpper(otherUUID), testUUID}
	if Key(KindUnmap, a) != Key(KindUnmap, b) {
		t.Error("the same mappings in another order count as a different request")
	}
	m, n := validMap(), validMap()
	n.Pairs[1].Company += " "
	if diff := cmp.Diff(m, n.Canonical()); diff != "" {
		t.Error(diff)
	}
	n.Pairs[0].Line = 7
	if Key(KindMap, m) != Key(KindMap, n) {
		t.Error("the same pairs from a file count as a different request")
	}
	slices.Reverse(n.Pairs)
	if Key(KindMap, m) == Key(KindMap, n) {
		t.Error("pairs in another order count as the same request, although the outcome may differ")
	}
	m.Pairs = slices.Repeat(m.Pairs, maxInteractivePairs)
	if n.queue() != QueueInteractive || m.queue() != QueueImport {
		t.Errorf("queues %s and %s", n.queue(), m.queue())
	}
}

func TestEnqueueStored(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	for kind, args := range map[string]string{
		KindImport:  `{"tenant":"acme","connection_id":"` + otherUUID + `","all":true}`,
		KindMap:     `{"tenant":"acme","connection_id":"` + otherUUID + `","pairs":[{"company":"x","client_id":3}]}`,
		KindUnmap:   `{"tenant":"acme","connection_id":"` + otherUUID + `","mapping_ids":["` + testUUID + `"]}`,
		KindResync:  `{"tenant":"acme","connection_id":"` + otherUUID + `","scheduled":true}`,
		KindSuggest: `{"tenant":"acme","connection_id":"` + otherUUID + `"}`,
	} {
		id := NewRunID()
		for range 2 { // the second time changes nothing
			if err := EnqueueStored(t.Context(), c, kind, id, []byte(args)); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if s, err := c.Status(t.Context(), id); err != nil || s.State != StateQueued {
			t.Errorf("%s: %+v, %v", kind, s, err)
		}
		if err := EnqueueStored(t.Context(), c, kind, id, []byte(`{"tenant":"acme"}`)); err == nil {
			t.Errorf("%s: a request with invalid arguments was enqueued", kind)
		}
	}
	if err := EnqueueStored(t.Context(), c, "halo:frob", NewRunID(), []byte(`{}`)); err == nil {
		t.Error("a request of an unknown kind was enqueued")
	}
}
