package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const plain = "hunter2"

// holder has a secret in every position from which it could be printed.
type holder struct {
	Exported String
	hidden   String
	Pointer  *String
	List     []String
	Map      map[string]String
}

func newHolder() holder {
	s := NewString(plain)
	return holder{s, s, &s, []String{s}, map[string]String{"k": s}}
}

func TestStringNeverPrints(t *testing.T) {
	t.Parallel()
	s, h := NewString(plain), newHolder()
	keys := testKeyset(t)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s", "%p", "%b", "%U", "%e", "%T"} {
		for _, v := range []any{s, &s, h, &h, []any{s}, keys, *keys} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	encoded, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("slog", "s", s, "h", h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("slog", "s", s, "h", h)
	for _, enc := range []zapcore.Encoder{
		zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
	} {
		log := zap.New(zapcore.NewCore(enc, zapcore.AddSync(&out), zap.DebugLevel))
		log.Info("zap", zap.Any("s", s), zap.Any("h", h), zap.Reflect("r", s), zap.Stringer("t", s))
		log.Sugar().Infow("zap", "s", s, "h", h)
	}
	hexed := fmt.Sprintf("%x", plain)
	for _, leak := range []string{plain, hexed, strings.ToUpper(hexed), `104 117 110`} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q leaked", leak)
		}
	}
	if n := strings.Count(out.String(), "[secret]"); n < 100 {
		t.Errorf("[secret] was printed only %d times", n)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	var zero String
	s, same := NewString(plain), NewString(plain)
	if s.Reveal() != plain || zero.Reveal() != "" || !zero.IsZero() || s.IsZero() || !NewString("").IsZero() {
		t.Error("Reveal or IsZero is wrong")
	}
	if !s.Equal(same) || s.Equal(zero) || !zero.Equal(NewString("")) || !cmp.Equal(s, same) {
		t.Error("Equal is wrong")
	}
	var read struct{ S String }
	if err := json.Unmarshal([]byte(`{"S":"hunter2"}`), &read); err != nil || read.S.Reveal() != plain {
		t.Errorf("unmarshalled %q, %v", read.S.Reveal(), err)
	}
	if fmt.Sprint(zero) != "[secret]" {
		t.Error("the zero value reveals that it is empty")
	}
}

func testKeyset(t testing.TB) *Keyset {
	t.Helper()
	return parse(t, newText(t))
}

func newText(t testing.TB) string {
	t.Helper()
	text, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t testing.TB, text string) *Keyset {
	t.Helper()
	k, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t testing.TB, k *Keyset, aad ...string) []byte {
	t.Helper()
	sealed, err := k.Seal(NewString(plain), aad...)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	k := testKeyset(t)
	sealed := seal(t, k, "acme", "id", "column")
	if bytes.Contains(sealed, []byte(plain)) || bytes.Equal(sealed, seal(t, k, "acme", "id", "column")) {
		t.Error("a sealed value shows the text, or two sealed values are equal")
	}
	if got, err := k.Open(sealed, "acme", "id", "column"); err != nil || got.Reveal() != plain {
		t.Errorf("opened %q, %v", got.Reveal(), err)
	}
	for _, aad := range [][]string{
		nil, {"acme", "id"}, {"globex", "id", "column"}, {"acme", "idcolumn"}, {"acmeid", "", "column"},
		{"acm", "eid", "column"}, {"id", "acme", "column"}, {"acme", "id", "column", ""},
	} {
		if _, err := k.Open(sealed, aad...); !errors.Is(err, ErrOpen) {
			t.Errorf("%q: error %v", aad, err)
		}
	}
	empty, err := k.Seal(String{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(empty); err != nil || !got.IsZero() {
		t.Errorf("empty: %v", err)
	}
}

// A sealed value cannot be opened if any bit is flipped or if the value is truncated
// anywhere.
func TestAlteredDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := testKeyset(t)
	sealed := seal(t, k, "acme")
	for i := range sealed {
		for bit := range 8 {
			altered := bytes.Clone(sealed)
			altered[i] ^= 1 << bit
			if _, err := k.Open(altered, "acme"); !errors.Is(err, ErrOpen) {
				t.Errorf("byte %d, bit %d: error %v", i, bit, err)
			}
		}
		if _, err := k.Open(sealed[:i], "acme"); !errors.Is(err, ErrOpen) {
			t.Errorf("cut at %d: error %v", i, err)
		}
	}
	if _, err := k.Open(append(sealed, 0), "acme"); !errors.Is(err, ErrOpen) {
		t.Errorf("longer: error %v", err)
	}
	if _, err := testKeyset(t).Open(sealed, "acme"); !errors.Is(err, ErrOpen) || !strings.Contains(err.Error(), fmt.Sprint(k.PrimaryID())) {
		t.Errorf("other key set: error %v", err)
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	text := newText(t)
	old := parse(t, text)
	before := seal(t, old, "acme")
	rotated, err := Rotate(" " + text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	k := parse(t, rotated)
	if k.PrimaryID() == old.PrimaryID() || k.SealedByPrimary(before) || !old.SealedByPrimary(before) {
		t.Error("the primary key is not new")
	}
	if got, err := k.Open(before, "acme"); err != nil || got.Reveal() != plain {
		t.Errorf("sealed before the rotation: %v", err)
	}
	after := seal(t, k, "acme")
	if !k.SealedByPrimary(after) || k.SealedByPrimary(nil) || k.SealedByPrimary(after[:3]) {
		t.Error("SealedByPrimary is wrong")
	}
	if _, err := old.Open(after, "acme"); !errors.Is(err, ErrOpen) {
		t.Errorf("the old key set opens what the new key sealed: %v", err)
	}
	if _, err := Rotate("hsk1:"); err == nil {
		t.Error("Rotate accepted an invalid key set")
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	text := newText(t)
	for what, bad := range map[string]string{
		"empty": " \n", "prefix": strings.TrimPrefix(text, "hsk1:"), "version": "hsk2:" + text[5:],
		"nothing": "hsk1:", "cut": text[:len(text)/2], "not base64": text + "!", "json": `{"key":[]}`,
		"not a key set": "hsk1:" + "aGVsbG8gd29ybGQ", "huge": text + strings.Repeat("A", 70_000),
	} {
		_, err := Parse(bad)
		if err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		for i := 0; i+8 <= len(text); i += 4 {
			if strings.Contains(err.Error(), text[i:i+8]) {
				t.Errorf("%s: the error quotes the text: %v", what, err)
			}
		}
	}
	if _, err := Parse(" " + text + "\r\n"); err != nil {
		t.Errorf("surrounding space: %v", err)
	}
}

func roles(k *Keyset) string {
	var all []string
	for _, key := range k.Keys() {
		all = append(all, string(key.Role))
	}
	return strings.Join(all, " ")
}

// A staged key opens values but does not seal any. The next rotation adds no key.
func TestStage(t *testing.T) {
	t.Parallel()
	text := newText(t)
	staged, err := Stage(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Stage(staged); err == nil || !strings.Contains(err.Error(), "already staged") {
		t.Errorf("staged twice: %v", err)
	}
	rotated, err := Rotate(staged)
	if err != nil {
		t.Fatal(err)
	}
	old, mid, k := parse(t, text), parse(t, staged), parse(t, rotated)
	if roles(old) != "primary" || roles(mid) != "primary staged" || roles(k) != "reads primary" {
		t.Errorf("roles: %s, %s, %s", roles(old), roles(mid), roles(k))
	}
	if mid.PrimaryID() != old.PrimaryID() || k.PrimaryID() != mid.Keys()[1].ID {
		t.Error("another key has become primary")
	}
	after := seal(t, k, "acme")
	if got, err := mid.Open(after, "acme"); err != nil || got.Reveal() != plain {
		t.Errorf("the staged key does not open a value: %v", err)
	}
	if len(mid.OlderPrefixes()) != 0 || len(k.OlderPrefixes()) != 1 || !bytes.HasPrefix(seal(t, old), k.OlderPrefixes()[0]) {
		t.Error("OlderPrefixes are wrong")
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	text := newText(t)
	first := parse(t, text).PrimaryID()
	var err error
	for _, change := range []func(string) (string, error){Rotate, Rotate, Stage} {
		if text, err = change(text); err != nil {
			t.Fatal(err)
		}
	}
	if got := roles(parse(t, text)); got != "reads reads primary staged" {
		t.Fatal(got)
	}
	pruned, gone, err := Prune(text)
	if err != nil {
		t.Fatal(err)
	}
	k := parse(t, pruned)
	if roles(k) != "primary staged" || len(gone) != 2 || gone[0] != first {
		t.Errorf("%s remain, %v removed", roles(k), gone)
	}
	if _, err := parse(t, text).Open(seal(t, k)); err != nil {
		t.Errorf("not the same primary key: %v", err)
	}
	if again, gone, err := Prune(pruned); err != nil || len(gone) != 0 || roles(parse(t, again)) != "primary staged" {
		t.Errorf("again: %v removed, %v", gone, err)
	}
}

// A value sealed with an unknown key is distinguished from a forged value, because
// another key set may have the key.
func TestUnknownKeyIsNoForgery(t *testing.T) {
	t.Parallel()
	k := testKeyset(t)
	sealed := seal(t, k, "acme")
	if _, err := testKeyset(t).Open(sealed, "acme"); !errors.Is(err, ErrUnknownKey) || !errors.Is(err, ErrOpen) {
		t.Errorf("other key set: %v", err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	for what, err := range map[string]error{
		"other row": second(k.Open(sealed, "globex")), "altered": second(k.Open(altered, "acme")),
		"short": second(k.Open(sealed[:3], "acme")), "no format of ours": second(k.Open([]byte("hunter2-hunter2"), "acme")),
	} {
		if !errors.Is(err, ErrOpen) || errors.Is(err, ErrUnknownKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if id, ok := KeyOf(sealed); !ok || id != k.PrimaryID() {
		t.Errorf("key %d, %v", id, ok)
	}
}

func second[T any](_ T, err error) error { return err }
