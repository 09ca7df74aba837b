package secret

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A sealed value is one version byte and Tink's ciphertext, which begins with
// Tink's own start byte 1 and the key's id in big-endian order
// (developers.google.com/tink/wire-format).
const (
	sealVersion = 1
	tinkStart   = 1
	prefixLen   = 1 + 1 + 4
)

// ErrOpen says that a sealed value does not open: it was altered, belongs to
// another row, or was sealed with a key that the key set lacks.
var ErrOpen = errors.New("sealed value does not open")

// Seal encrypts plain under the primary key. The result opens only with the
// same aad, in the same order: tenant, connection id and column, say. Sealing
// twice gives two different results.
func (k *Keyset) Seal(plain String, aad ...string) ([]byte, error) {
	ct, err := k.aead.Encrypt([]byte(plain.Reveal()), bind(aad))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append([]byte{sealVersion}, ct...), nil
}

// Open decrypts what [Keyset.Seal] made. Its error is an [ErrOpen].
func (k *Keyset) Open(sealed []byte, aad ...string) (String, error) {
	if len(sealed) < prefixLen {
		return String{}, fmt.Errorf("%w: too short", ErrOpen)
	}
	if sealed[0] != sealVersion {
		return String{}, fmt.Errorf("%w: unknown format %d", ErrOpen, sealed[0])
	}
	if id := binary.BigEndian.Uint32(sealed[2:]); !k.ids[id] {
		return String{}, fmt.Errorf("%w: its key %d is not in the key set", ErrOpen, id)
	}
	plain, err := k.aead.Decrypt(sealed[1:], bind(aad))
	if err != nil {
		return String{}, fmt.Errorf("%w: altered, or sealed for another row", ErrOpen)
	}
	return NewString(string(plain)), nil
}

// SealedByPrimary says whether sealed was made with the primary key. It looks
// at the prefix only and opens nothing.
func (k *Keyset) SealedByPrimary(sealed []byte) bool {
	return bytes.HasPrefix(sealed, k.PrimaryPrefix())
}

// PrimaryPrefix is how every value sealed with the primary key begins, for
// finding the others in a database.
func (k *Keyset) PrimaryPrefix() []byte {
	return binary.BigEndian.AppendUint32([]byte{sealVersion, tinkStart}, k.primary)
}

// bind encodes aad without ambiguity.
func bind(aad []string) []byte {
	b := appendField(nil, "halosync")
	for _, field := range aad {
		b = appendField(b, field)
	}
	return b
}
