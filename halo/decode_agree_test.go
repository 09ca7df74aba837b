package halo

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// agree compares the decoder with the reference decoder on one body. It accepts
// three differences:
//
// The reference applies the limit of 10,000 levels to each row separately. For
// a client, the reference reports "null" as JSON without an id, but the decoder
// reports JSON of an unexpected shape. If a body ends in the middle of an
// unquoted key, the reference reports invalid JSON, but the decoder reports
// that the body broke off.
func agree(t *testing.T, body []byte) {
	t.Helper()
	if bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > 9_000 {
		return
	}
	same := func(what string, now, before error) {
		if describe(now) == describe(before) {
			return
		}
		if _, shorter := oldListing(bytes.TrimRight(body, "-+.0123456789Eaeflnrstu")); errors.Is(before, errNotJSON) && errors.Is(now, ErrUnavailable) && errors.Is(shorter, ErrUnavailable) {
			return
		}
		t.Errorf("%+q: %s: error %s, was %s", body, what, describe(now), describe(before))
	}
	want, wantErr := oldListing(body)
	got, err := decodeListing(body)
	same("list", err, wantErr)
	if !slices.Equal(got.clients, want.clients) || got.rows != want.rows || got.malformed != want.malformed || got.count != want.count {
		t.Errorf("%+q: list %+v, was %+v", body, got, want)
	}
	one, wantErr := oldClient(body)
	if errors.Is(wantErr, errNoClient) && kindOf(withoutBOM(body)) == 'n' {
		wantErr = errShape
	}
	now, err := decodeClient(body)
	same("client", err, wantErr)
	if now != one {
		t.Errorf("%+q: client %+v, was %+v", body, now, one)
	}
}

// describe returns the text of an error together with its kind.
func describe(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return fmt.Sprintf("%v: %v, again %v", e.kind, e.cause, e.next)
	}
	return fmt.Sprint(err)
}

// oddBodies returns all bodies from the tests and the fuzzing corpus.
func oddBodies(t testing.TB) [][]byte {
	t.Helper()
	bodies := [][]byte{realPage(3)}
	for _, text := range []string{
		"", " \n", "null", "nul", "tru", "truex", "17", "-", "-1.5e+3", "1 2", `"x"`, `"x`, "<p>", "hello", "\xff\xfe{\x00}\x00", "[", "{", "[]", "{}", "[] ", "{} x", "[],",
		`{"clients":null}`, `{"clients":[],"clients":null}`, `{"clients":[],"clients":[]}`, `{"clients":"x`, `{"clients":{`, `{"clients":]}`, `{"clients"}`, `{"clients":}`,
		`{"clients":[,{"id":1}]}`, `{"clients":[{"id":1},]}`, `{"clients":[{"id":1} {"id":2}]}`, `{"clients":[{"id":1}}`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{1:2}`, `{[1]:2}`, `{[1`, `{"a":1 "b":2}`, `{"":{n`, `{"":{nx`, `{"clients":[{"id":1},{-1.`, `{"clients":[{[`,
		`{"Clients":[{"ID":1,"NAME":"x","Toplevel_ID":"7","topLevel_Name":"G"}],"RECORD_COUNT":"12"}`,
		`{"client` + "\u017f" + `":[{"id":1,"account` + "\u017f" + `id":"K"}]}`, `{"\u0063lients":[{"\u0069\u0044":1,"n\u0061me":"x","\u0074\u006f\u0070\u006c\u0065\u0076\u0065\u006c\u005f\u006e\u0061\u006d\u0065":"G"}]}`,
		`[{"id":1,"id":"x"},{"id":2,"name":"a","NAME":null},{"":1,"id":3,"\ud800":1}]`, `[{"id":1,"toplevel_name":"\\n"},{"id":2,"toplevel_name":"\n"},{"id":3},{"id":4,"toplevel_name":"\\n"}]`,
		`[{"id":1,"toplevel_name":"12"},{"id":2,"toplevel_name":12},{"id":3,"toplevel_name":"12"},{"id":4,"toplevel_name":" 12 "}]`,
		"[{\"id\":1,\"name\":\"A\xffB\"},{\"id\":2,\"name\":\"A\xff\\tB\\ud800\\u0041\\ud83c\\udfe2\"},{\"id\":3,\"n\xffame\":\"x\",\"x\":\"\xed\xa0\x80\"}]",
		`[{"id":" 12 "},{"id":"+13"},{"id":"0x10"},{"id":"1_0"},{"id":-0},{"id":1e1},{"id":1E400},{"id":0.1e1},{"id":000}]`, `[{"id":01}]`, `[{"id":1.}]`, `[{"id":.1}]`, `[{"id":1e}]`,
		`[{"id":123456789012345,"inactive":1},{"id":1234567890123456,"inactive":"TRUE"},{"id":9007199254740993,"inactive":[1]},{"id":5,"inactive":1e-400}]`,
		"[{\"id\":1,\"name\":\"a\x01b\"}]", "[{\"id\":1,\"name\":\"a\\x\"}]", `[{"id":1,"name":"\u12"}]`, `[{"id":1,"name":"\u12`, "[{\"id\":1,\"name\":\"\xc3", "[\v]", "\xef\xbb\xbf\xef\xbb\xbf[]", "[\xef\xbb\xbf]",
		`[{"id":1,"name":"   ` + strings.Repeat("x", 2*maxText) + `"}]`, `{"record_count":5,"clients":[{"id":1},{"id":1},{"id":2}]}`, `{"record_count":` + strings.Repeat("9", 99) + `,"clients":[]}`,
		`[null,true,false,1,"s",[{"id":1}],{"id":1,"name":{"id":2}}]`, `{"id":1,"name":"x"} {"id":2}`, `[{"id":1}]]`, `[[{"id":1}]]`, `{"clients":[[]]}`,
	} {
		bodies = append(bodies, []byte(text))
	}
	files, err := filepath.Glob("testdata/fuzz/FuzzDecode*/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files of the corpus, error %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, quoted, _ := strings.Cut(string(text), "[]byte(")
		body, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(quoted), ")"))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		bodies = append(bodies, []byte(body))
	}
	return bodies
}

// TestDecodeAsBefore compares the decoders on odd bodies, on truncated bodies
// and on random mixtures of them.
func TestDecodeAsBefore(t *testing.T) {
	t.Parallel()
	bodies := oddBodies(t)
	for _, body := range bodies {
		agree(t, body)
		for end := range min(len(body), 500) {
			agree(t, body[:end])
		}
	}
	agree(t, realPage(20))
	random := rand.New(rand.NewPCG(6, 6))
	for range 2_000 {
		body := bytes.Clone(bodies[random.IntN(len(bodies))])
		for range 1 + random.IntN(4) {
			other := bodies[random.IntN(len(bodies))]
			from := random.IntN(len(other) + 1)
			piece := other[from:min(len(other), from+random.IntN(20))]
			at := random.IntN(len(body) + 1)
			over := min(len(body), at+random.IntN(8))
			body = append(body[:at:at], append(bytes.Clone(piece), body[over:]...)...)
		}
		agree(t, body)
		if t.Failed() {
			return
		}
	}
}

// FuzzDecodeAsBefore searches for bodies that the reference decoder reads
// differently.
func FuzzDecodeAsBefore(f *testing.F) {
	for _, body := range oddBodies(f) {
		f.Add(body)
	}
	f.Fuzz(agree)
}
