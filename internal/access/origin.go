package access

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo"
)

// maxUserAgent bounds the part of a User-Agent header that is kept, in characters.
const maxUserAgent = 200

// origin returns the client's address and browser, for security events and the list of
// sessions. The address is the one that failed attempts count against.
func (g *Guard) origin(r *http.Request) repo.Origin {
	o := repo.Origin{UserAgent: plaintext.Clean(r.UserAgent(), maxUserAgent)}
	if client := network(g.client(r)); client.IsSingleIP() {
		o.Address = client.Addr().String()
	} else if client.IsValid() {
		o.Address = client.String()
	}
	return o
}

// recheckInterval is how often the credential of a long request, such as live progress, is
// verified again.
const recheckInterval = 5 * time.Second

// admit returns the context of an authenticated request. It ends after maxRequest, or soon
// after the key was revoked or the session has ended.
func (g *Guard) admit(r *http.Request, p Principal) (context.Context, context.CancelFunc) {
	from := g.origin(r)
	ctx := context.WithValue(repo.WithOrigin(With(r.Context(), p), from), exceededKey{}, func(need Scope) { g.exceeded(from, p, need) })
	ctx, cancel := context.WithTimeout(ctx, maxRequest)
	valid := g.credentialOf(r)
	again := time.NewTicker(g.recheck)
	go func() {
		defer again.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-again.C:
			}
			if errors.Is(g.lookups.do(ctx, valid), errRefused) {
				cancel()
			}
		}
	}()
	return ctx, cancel
}

// credentialOf reads the credential of an admitted request. It must be called before the
// handler, which may change the request. The function that it returns looks the credential
// up again and returns errRefused if the credential is no longer valid. A refusal does not
// count as a failed attempt.
func (g *Guard) credentialOf(r *http.Request) func(context.Context) error {
	if header := r.Header.Get("Authorization"); header != "" {
		_, key, _ := strings.Cut(header, " ")
		return func(ctx context.Context) error {
			_, _, err := byKey(ctx, g.store, strings.TrimSpace(key))
			return err
		}
	}
	cookie, _ := g.sessionCookie(r)
	return func(ctx context.Context) error {
		_, err := g.bySession(ctx, cookie)
		return err
	}
}
