package access

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
)

// A sign-in token is a JWT (HS256) in which the product names its signed-in
// user. It is valid for a few minutes and for one sign-in.
const (
	tokenAudience = "halosync"
	maxTokenLife  = 5 * time.Minute  // from iat to exp
	tokenLeeway   = 30 * time.Second // tolerated clock difference
	minSecret     = 32               // bytes
	maxToken      = 3 << 10          // bytes; it must fit into a cookie

	tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
)

// ParseSecrets parses HALOSYNC_SIGNIN_SECRET: one secret, or several separated
// by commas during a rotation. Each secret has at least 32 bytes. An empty
// string disables sign-in tokens.
func ParseSecrets(text secret.String) ([]secret.String, error) {
	if text.IsZero() {
		return nil, nil
	}
	var all []secret.String
	for part := range strings.SplitSeq(text.Reveal(), ",") {
		part = strings.TrimSpace(part)
		if len(part) < minSecret {
			return nil, fmt.Errorf("secret %d has %d bytes: use at least %d random ones, for example from openssl rand -hex 32", len(all)+1, len(part), minSecret)
		}
		all = append(all, secret.NewString(part))
	}
	return all, nil
}

// claims holds the contents of a token.
type claims struct {
	Tenant string `json:"tenant"`
	Scope  Scope  `json:"scope"`
	jwt.RegisteredClaims
}

// readToken verifies a token and returns its principal. It does not detect a
// second use of a token. To detect that, the caller must store id, which is the
// hash of the token's jti.
func readToken(text string, secrets []secret.String, now time.Time) (p Principal, id [32]byte, err error) {
	if len(text) > maxToken {
		return p, id, errors.New("token is too long")
	}
	if strings.Trim(text, tokenCharacters) != "" { // because base64 decoders ignore line breaks
		return p, id, errors.New("token has a character outside base64url")
	}
	keys := jwt.VerificationKeySet{}
	for _, s := range secrets {
		keys.Keys = append(keys.Keys, []byte(s.Reveal()))
	}
	var c claims
	token, err := jwt.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return keys, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithAudience(tokenAudience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(tokenLeeway), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		return p, id, err
	}
	if err := checkJSON(token.Raw); err != nil {
		return p, id, err
	}
	if err := c.check(); err != nil {
		return p, id, err
	}
	p = Principal{Tenant: c.Tenant, Actor: "user:" + c.Subject, Scope: c.Scope, Session: true}
	return p, sha256.Sum256([]byte(c.ID)), nil
}

// memberNames lists the members of header and payload that readToken uses.
var memberNames = []string{"alg", "typ", "crit", "aud", "exp", "iat", "iss", "jti", "nbf", "scope", "sub", "tenant"}

// checkJSON refuses a verified token that two parsers could interpret
// differently. Such a token has duplicate members, or member names that differ
// from the standard names only in case. checkJSON also refuses the header crit,
// because it names extensions that a reader must support, and this one supports
// none.
func checkJSON(token string) error {
	for _, part := range strings.Split(token, ".")[:2] {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return err
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			return err
		}
		if !jsontext.Value(text).IsValid() {
			return errors.New("a member of the token is there twice, or its text is not UTF-8")
		}
		for name := range members {
			for _, known := range memberNames {
				if name != known && strings.EqualFold(name, known) {
					return fmt.Errorf("%.40q: want %s", name, known)
				}
			}
		}
		if members["crit"] != nil {
			return errors.New("crit: no extensions are known")
		}
	}
	return nil
}

// check verifies the claims that the library does not verify.
func (c claims) check() error {
	switch {
	case c.IssuedAt == nil:
		return errors.New("iat is missing")
	case c.ExpiresAt.Sub(c.IssuedAt.Time) > maxTokenLife:
		return fmt.Errorf("token lasts %v: want at most %v", c.ExpiresAt.Sub(c.IssuedAt.Time), maxTokenLife)
	case !c.Scope.Valid() || c.Scope.Covers(Ops): // ops covers more than one tenant
		return errors.New("scope: want read, write or admin")
	}
	for name, text := range map[string]string{"sub": c.Subject, "tenant": c.Tenant, "jti": c.ID} {
		if n := utf8.RuneCountInString(text); n == 0 || n > 200 || text == "*" {
			return errors.New(name + ": want 1 to 200 characters")
		}
		if err := plaintext.Check(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
