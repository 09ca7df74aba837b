package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	// textPrefix identifies the text form and its version. After the prefix, the text
	// contains Tink's binary key set in unpadded URL-safe base64.
	textPrefix = "hsk1:"
	// maxText is the maximum length of a key set's text in bytes, enough for about 600
	// keys.
	maxText = 64 << 10
)

// Role is the purpose of a key in a key set.
type Role string

// The roles. Keys are in order of creation: those before the primary key are older, and
// those after it are staged.
const (
	Primary Role = "primary" // seals and opens
	Reads   Role = "reads"   // older than the primary key; only opens values
	Staged  Role = "staged"  // newer than the primary key; decrypts, and becomes primary when the key set is rotated
)

// Key describes one key of a key set, without key material. The id is not secret.
type Key struct {
	ID   uint32
	Role Role
}

// Keyset is a set of keys that seal and open secrets. It is safe for concurrent use and
// prints as "[secret]".
type Keyset struct {
	aead    tink.AEAD
	primary uint32
	keys    []Key
}

// New creates a key set with one key and returns its text form.
func New() (string, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return "", fmt.Errorf("new key set: %w", err)
	}
	return encode(handle)
}

// Rotate returns the key set with another primary key: the staged key if there is one,
// otherwise a new key. Older keys can still open.
func Rotate(text string) (string, error) {
	k, manager, err := manage(text)
	if err != nil {
		return "", err
	}
	id, ok := k.staged()
	if !ok {
		if id, err = manager.Add(aead.AES256GCMKeyTemplate()); err != nil {
			return "", fmt.Errorf("new key: %w", err)
		}
	}
	if err := manager.SetPrimary(id); err != nil {
		return "", fmt.Errorf("new primary key: %w", err)
	}
	return encodeManaged(manager)
}

// Stage returns the key set with an additional key that opens values but does not seal any.
// The next [Rotate] makes this key primary. A key set has at most one staged key.
func Stage(text string) (string, error) {
	k, manager, err := manage(text)
	if err != nil {
		return "", err
	}
	if id, ok := k.staged(); ok {
		return "", fmt.Errorf("key set: key %d is already staged; rotate makes it primary", id)
	}
	if _, err := manager.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	return encodeManaged(manager)
}

// Prune returns the key set without its older keys ([Reads]), and the ids of the
// removed keys. Before calling Prune, make sure that no stored value is still sealed
// with these keys.
func Prune(text string) (pruned string, gone []uint32, err error) {
	k, manager, err := manage(text)
	if err != nil {
		return "", nil, err
	}
	for _, key := range k.keys {
		if key.Role != Reads {
			continue
		}
		if err := manager.Delete(key.ID); err != nil {
			return "", nil, fmt.Errorf("remove key %d: %w", key.ID, err)
		}
		gone = append(gone, key.ID)
	}
	pruned, err = encodeManaged(manager)
	return pruned, gone, err
}

// manage parses a key set that the caller will change.
func manage(text string) (*Keyset, *keyset.Manager, error) {
	k, handle, err := load(text)
	if err != nil {
		return nil, nil, err
	}
	return k, keyset.NewManagerFromHandle(handle), nil
}

func encodeManaged(manager *keyset.Manager) (string, error) {
	handle, err := manager.Handle()
	if err != nil {
		return "", fmt.Errorf("key set: %w", err)
	}
	return encode(handle)
}

// Parse parses the text form and ignores surrounding space. Errors never quote the
// text.
func Parse(text string) (*Keyset, error) {
	k, _, err := load(text)
	return k, err
}

// load is like [Parse], but also returns Tink's handle for changes to the set.
func load(text string) (*Keyset, *keyset.Handle, error) {
	handle, err := decode(text)
	if err != nil {
		return nil, nil, err
	}
	info := handle.KeysetInfo()
	keys, role := make([]Key, 0, len(info.GetKeyInfo())), Reads
	for _, k := range info.GetKeyInfo() {
		// [KeyOf] requires Tink's prefix, which contains the key id.
		if k.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return nil, nil, errors.New("key set: has a key of an unknown kind")
		}
		if k.GetStatus() != tinkpb.KeyStatusType_ENABLED {
			continue // a disabled key opens nothing
		}
		if k.GetKeyId() == info.GetPrimaryKeyId() {
			keys, role = append(keys, Key{k.GetKeyId(), Primary}), Staged
			continue
		}
		keys = append(keys, Key{k.GetKeyId(), role})
	}
	primitive, err := aead.New(handle)
	if err != nil {
		// Omit Tink's error, because it can describe key material.
		return nil, nil, errors.New("key set: its keys cannot seal")
	}
	return &Keyset{aead: primitive, primary: info.GetPrimaryKeyId(), keys: keys}, handle, nil
}

// PrimaryID returns the id of the primary key. The id is not secret.
func (k *Keyset) PrimaryID() uint32 { return k.primary }

// Keys returns the keys of the set, oldest first.
func (k *Keyset) Keys() []Key { return slices.Clone(k.keys) }

func (k *Keyset) has(id uint32) bool {
	return slices.ContainsFunc(k.keys, func(key Key) bool { return key.ID == id })
}

// staged returns the key that the next rotation makes primary, if any.
func (k *Keyset) staged() (id uint32, ok bool) {
	last := k.keys[len(k.keys)-1]
	return last.ID, last.Role == Staged
}

// Format implements [fmt.Formatter] and prints "[secret]".
func (k *Keyset) Format(f fmt.State, _ rune) { String{}.Format(f, 'v') }

// MarshalText returns "[secret]".
func (k *Keyset) MarshalText() ([]byte, error) { return String{}.MarshalText() }

func encode(handle *keyset.Handle) (string, error) {
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewBinaryWriter(&buf)); err != nil {
		return "", fmt.Errorf("write key set: %w", err)
	}
	return textPrefix + base64.RawURLEncoding.EncodeToString(buf.Bytes()), nil
}

func decode(text string) (*keyset.Handle, error) {
	text = strings.TrimSpace(text)
	body, ok := strings.CutPrefix(text, textPrefix)
	switch {
	case text == "":
		return nil, errors.New("key set: empty")
	case !ok:
		return nil, errors.New(`key set: does not begin with "` + textPrefix + `"`)
	case len(text) > maxText:
		return nil, fmt.Errorf("key set: longer than %d bytes", maxText)
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return nil, errors.New("key set: not base64 after its prefix; was all of it copied?")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, errors.New("key set: damaged; was all of it copied?")
	}
	return handle, nil
}

// appendField appends a field preceded by its length, so that ("a","bc") and ("ab","c")
// have different encodings.
func appendField(b []byte, field string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(field)))
	return append(b, field...)
}
