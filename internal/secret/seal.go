package secret

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A sealed value is one version byte followed by Tink's ciphertext. The ciphertext
// begins with Tink's start byte, 1, and the key id in big-endian order
// (developers.google.com/tink/wire-format).
const (
	sealVersion = 1
	tinkStart   = 1
)

// ErrOpen means that a sealed value cannot be opened. The value was altered, belongs to
// another row or another address, or was sealed with a key that is not in the key set.
var ErrOpen = errors.New("sealed value does not open")

// ErrUnknownKey is an [ErrOpen] for a value sealed with a key that is not in the key
// set. Another key set, such as the newer one during a rotation, may be able to open the
// value.
var ErrUnknownKey = fmt.Errorf("%w", ErrOpen)

// Seal encrypts plain with the primary key. The result opens only with the same aad in
// the same order, for example those of a [Binding]. Sealing the same value twice returns
// two different results.
func (k *Keyset) Seal(plain String, aad ...string) ([]byte, error) {
	ct, err := k.aead.Encrypt([]byte(plain.Reveal()), bind(aad))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append([]byte{sealVersion}, ct...), nil
}

// Open decrypts a value sealed by [Keyset.Seal]. The error is an [ErrOpen], or more
// specifically an [ErrUnknownKey] if the key is not in the key set.
func (k *Keyset) Open(sealed []byte, aad ...string) (String, error) {
	if len(sealed) < PrefixLen {
		return String{}, fmt.Errorf("%w: too short", ErrOpen)
	}
	if sealed[0] != sealVersion {
		return String{}, fmt.Errorf("%w: unknown format %d", ErrOpen, sealed[0])
	}
	if id, ok := KeyOf(sealed); ok && !k.has(id) {
		return String{}, fmt.Errorf("%w: its key %d is not in the key set", ErrUnknownKey, id)
	}
	plain, err := k.aead.Decrypt(sealed[1:], bind(aad))
	if err != nil {
		return String{}, fmt.Errorf("%w: altered, or sealed for another row or another address", ErrOpen)
	}
	return NewString(string(plain)), nil
}

// SealedByPrimary reports whether a value was sealed with the primary key. It checks
// only the value's prefix.
func (k *Keyset) SealedByPrimary(sealed []byte) bool {
	return bytes.HasPrefix(sealed, k.PrimaryPrefix())
}

// PrimaryPrefix returns the prefix of every value sealed with the primary key, for
// searches in a database.
func (k *Keyset) PrimaryPrefix() []byte { return prefixOf(k.primary) }

// OlderPrefixes returns the prefixes of values sealed with keys older than the primary
// key. It omits staged keys, because a value sealed with a staged key comes from
// another process in which that key is already primary.
func (k *Keyset) OlderPrefixes() [][]byte {
	prefixes := [][]byte{}
	for _, key := range k.keys {
		if key.Role == Reads {
			prefixes = append(prefixes, prefixOf(key.ID))
		}
	}
	return prefixes
}

func prefixOf(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{sealVersion, tinkStart}, id)
}

// PrefixLen is the number of bytes of a sealed value that [KeyOf] reads.
const PrefixLen = 1 + 1 + 4

// KeyOf returns the id of the key from the prefix of a sealed value. The result ok is
// false if the prefix does not come from [Keyset.Seal].
func KeyOf(sealed []byte) (id uint32, ok bool) {
	if len(sealed) < PrefixLen || sealed[0] != sealVersion || sealed[1] != tinkStart {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[2:]), true
}

// bind encodes aad so that different values have different encodings.
func bind(aad []string) []byte {
	b := appendField(nil, "halosync")
	for _, field := range aad {
		b = appendField(b, field)
	}
	return b
}
