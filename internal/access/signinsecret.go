package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halosync/halosync/internal/secret"
)

// fingerprintLength is the length of a sign-in secret's fingerprint in bytes.
const fingerprintLength = 16

// fingerprint returns an id of a sign-in secret. The sessions of the secret are bound to
// this id. The secret cannot be computed from the fingerprint, and the fingerprint is
// not a valid signature of any token, because no token begins with the label.
func fingerprint(s secret.String) []byte {
	mac := hmac.New(sha256.New, []byte(s.Reveal()))
	mac.Write([]byte("halosync: fingerprint of a sign-in secret"))
	return mac.Sum(nil)[:fingerprintLength]
}

// fingerprints returns the ids of the configured sign-in secrets. A session of any other
// secret is refused, so replacing a secret ends its sessions.
func fingerprints(secrets []secret.String) [][]byte {
	all := make([][]byte, len(secrets))
	for i, s := range secrets {
		all[i] = fingerprint(s)
	}
	return all
}

// signedWith returns the fingerprint of the secret that signed a token which [readToken]
// accepted.
func signedWith(token string, secrets []secret.String) []byte {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return nil
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return nil
	}
	for _, s := range secrets {
		if jwt.SigningMethodHS256.Verify(token[:dot], signature, []byte(s.Reveal())) == nil {
			return fingerprint(s)
		}
	}
	return nil
}
