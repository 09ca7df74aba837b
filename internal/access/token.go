package access

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
)

// The product's sign-in token: a JWT, HS256, that says for a few minutes who its
// signed-in user is. It is good for one sign-in.
const (
	tokenAudience = "halosync"
	tokenLasts    = 5 * time.Minute  // at most, from iat to exp
	tokenLeeway   = 30 * time.Second // between two clocks
	leastSecret   = 32               // bytes
	mostToken     = 4 << 10
)

// ParseSecrets reads HALOSYNC_SIGNIN_SECRET: one secret, or several with commas
// while one takes the place of another. Each has 32 bytes at least. Nothing gives
// none: there are no tokens then.
func ParseSecrets(text secret.String) ([]secret.String, error) {
	if text.IsZero() {
		return nil, nil
	}
	var all []secret.String
	for part := range strings.SplitSeq(text.Reveal(), ",") {
		part = strings.TrimSpace(part)
		if len(part) < leastSecret {
			return nil, fmt.Errorf("secret %d has %d bytes: want %d at least, from a random generator (openssl rand -hex 32)", len(all)+1, len(part), leastSecret)
		}
		all = append(all, secret.NewString(part))
	}
	return all, nil
}

// claims are what a token says.
type claims struct {
	Tenant string `json:"tenant"`
	Scope  Scope  `json:"scope"`
	jwt.RegisteredClaims
}

// readToken judges a token by itself: whether it was used before is the ledger's
// business, by the hash and the time that it returns.
func readToken(text string, secrets []secret.String, now time.Time) (p Principal, id [32]byte, lasts time.Duration, err error) {
	if len(text) > mostToken {
		return p, id, 0, errors.New("token is too long")
	}
	keys := jwt.VerificationKeySet{}
	for _, s := range secrets {
		keys.Keys = append(keys.Keys, []byte(s.Reveal()))
	}
	var c claims
	_, err = jwt.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return keys, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithAudience(tokenAudience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(tokenLeeway), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		return p, id, 0, err
	}
	if err := c.check(); err != nil {
		return p, id, 0, err
	}
	p = Principal{Tenant: c.Tenant, Actor: "user:" + c.Subject, Scope: c.Scope, Session: true}
	return p, sha256.Sum256([]byte(c.ID)), c.ExpiresAt.Sub(now) + tokenLeeway + time.Second, nil
}

// check looks at what the library does not.
func (c claims) check() error {
	switch {
	case c.IssuedAt == nil:
		return errors.New("iat is missing")
	case c.ExpiresAt.Sub(c.IssuedAt.Time) > tokenLasts:
		return fmt.Errorf("it lasts for %v: at most %v", c.ExpiresAt.Sub(c.IssuedAt.Time), tokenLasts)
	case !c.Scope.Valid() || c.Scope.Covers(Ops): // ops goes past the tenant
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
