package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	// textPrefix names the text form and its version; what follows is Tink's
	// binary key set in unpadded URL-safe base64.
	textPrefix = "hsk1:"
	// maxText bounds what Parse looks at: some 600 keys.
	maxText = 64 << 10
)

// Keyset seals and opens. It is safe for concurrent use and prints as
// "[secret]".
type Keyset struct {
	aead    tink.AEAD
	primary uint32
	ids     map[uint32]bool
}

// New makes a key set with one fresh key and returns its text form.
func New() (string, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return "", fmt.Errorf("new key set: %w", err)
	}
	return encode(handle)
}

// Rotate returns the key set with a fresh primary key added; the old keys
// stay for opening.
func Rotate(text string) (string, error) {
	if _, err := Parse(text); err != nil {
		return "", err
	}
	handle, err := decode(text)
	if err != nil {
		return "", err
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return "", fmt.Errorf("new primary key: %w", err)
	}
	if handle, err = manager.Handle(); err != nil {
		return "", fmt.Errorf("key set: %w", err)
	}
	return encode(handle)
}

// Parse reads the text form; blanks around it are ignored. Its errors never
// quote the text.
func Parse(text string) (*Keyset, error) {
	handle, err := decode(text)
	if err != nil {
		return nil, err
	}
	info := handle.KeysetInfo()
	ids := make(map[uint32]bool, len(info.GetKeyInfo()))
	for _, k := range info.GetKeyInfo() {
		// Sealed values are told apart by the key id in Tink's prefix.
		if k.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return nil, errors.New("key set: holds a key of a kind that halosync does not make")
		}
		ids[k.GetKeyId()] = true
	}
	primitive, err := aead.New(handle)
	if err != nil {
		// Tink's reason is left out: it is about key material.
		return nil, errors.New("key set: its keys are not usable for sealing")
	}
	return &Keyset{aead: primitive, primary: info.GetPrimaryKeyId(), ids: ids}, nil
}

// PrimaryID is the id of the key that seals; it is not secret.
func (k *Keyset) PrimaryID() uint32 { return k.primary }

// Format implements [fmt.Formatter]: a key set prints as "[secret]".
func (k *Keyset) Format(f fmt.State, _ rune) { String{}.Format(f, 'v') }

// MarshalText gives "[secret]".
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
		return nil, errors.New("key set: not base64 after its prefix; was it copied whole?")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, errors.New("key set: damaged; was it copied whole?")
	}
	return handle, nil
}

// appendField adds a field with its length before it, so that ("a","bc") and
// ("ab","c") differ.
func appendField(b []byte, field string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(field)))
	return append(b, field...)
}
