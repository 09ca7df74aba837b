package repo

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/secret"
)

var (
	// ErrRequestInProgress means that a request with this key is still being executed.
	ErrRequestInProgress = errors.New("a request with this key is being executed")
	// ErrKeyReused means that the key was used for a different request.
	ErrKeyReused = errors.New("the key was used for another request")
)

// Answer is the response to a request.
type Answer struct {
	Status int
	Header json.RawMessage // the stored headers of the HTTP response
	Body   []byte
}

// ClaimedRequest is the result of [Store.ClaimRequest].
type ClaimedRequest struct {
	Owner  uuid.UUID // id of the execution that must answer; zero: already answered
	Answer Answer
}

// answerLife is how long an answer is stored. A run is stored for at least seven days
// after its end, so the run that an answer names still exists.
const answerLife = 24 * time.Hour

// printColumn is part of the context to which the sealed fingerprint of a request is
// bound.
const printColumn = "answers.print"

// ClaimRequest returns the stored answer if the tenant made a request with this key
// within the last day. Otherwise it claims the request, and the caller must then call
// [Store.AnswerRequest] or [Store.ReleaseRequest]. The argument called print is the
// request's fingerprint, which is stored sealed.
//
// ClaimRequest returns [ErrRequestInProgress] while another execution has claimed the
// request, and [ErrKeyReused] if the key was used for a different request. A claim
// without an answer expires after five minutes, and the next caller can claim the
// request.
func (s *Store) ClaimRequest(ctx context.Context, tenant, key, print string) (claim ClaimedRequest, err error) {
	if err := checkText("idempotency key", key, 1, 200); err != nil {
		return claim, err
	}
	if s.keys == nil {
		return claim, errNoKeys
	}
	owner, err := newID()
	if err != nil {
		return claim, err
	}
	sealed, err := s.keys.Seal(secret.NewString(print), tenant, key, printColumn)
	if err != nil {
		return claim, wrap("claim request", err)
	}
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `delete from halosync.answers where tenant = $1 and claimed_at < now() - $2::interval`, tenant, answerLife); err != nil {
			return err
		}
		added, err := tx.Exec(ctx, `insert into halosync.answers (tenant, key, owner, print) values ($1, $2, $3, $4) on conflict do nothing`,
			tenant, key, owner, sealed)
		if err != nil {
			return err
		}
		if added.RowsAffected() == 1 {
			claim.Owner = owner
			return nil
		}
		claim, err = s.takeRequest(ctx, tx, tenant, key, print, owner)
		return err
	})
	return claim, wrap("claim request", err)
}

// takeRequest reads the row of an existing key and takes over the request if its claim
// has expired.
func (s *Store) takeRequest(ctx context.Context, tx pgx.Tx, tenant, key, print string, owner uuid.UUID) (claim ClaimedRequest, err error) {
	var sealed []byte
	var answered, abandoned bool
	err = tx.QueryRow(ctx, `
		select print, status is not null, claimed_at < now() - interval '5 minutes',
			coalesce(status, 0), coalesce(header, '{}'), coalesce(body, '')
		from halosync.answers where tenant = $1 and key = $2 for update`, tenant, key).
		Scan(&sealed, &answered, &abandoned, &claim.Answer.Status, &claim.Answer.Header, &claim.Answer.Body)
	if errors.Is(err, pgx.ErrNoRows) { // released in the meantime
		return claim, ErrRequestInProgress
	}
	if err != nil {
		return claim, err
	}
	known, err := s.keys.Open(sealed, tenant, key, printColumn)
	if err != nil || subtle.ConstantTimeCompare([]byte(known.Reveal()), []byte(print)) == 0 {
		return claim, ErrKeyReused // or the fingerprint cannot be decrypted, because its key is gone
	}
	switch {
	case answered:
		return claim, nil
	case !abandoned:
		return claim, ErrRequestInProgress
	}
	claim.Owner = owner
	_, err = tx.Exec(ctx, `update halosync.answers set owner = $3, claimed_at = now() where tenant = $1 and key = $2`, tenant, key, owner)
	return claim, err
}

// AnswerRequest stores the answer to a request that the caller has claimed.
func (s *Store) AnswerRequest(ctx context.Context, tenant, key string, owner uuid.UUID, a Answer) error {
	if a.Body == nil {
		a.Body = []byte{}
	}
	_, err := s.forTenant(tenant).Exec(ctx, `
		update halosync.answers set status = $4, header = $5, body = $6
		where tenant = $1 and key = $2 and owner = $3`, tenant, key, owner, a.Status, a.Header, a.Body)
	return wrap("answer request", err)
}

// ReleaseRequest gives up the claim on a request that was not executed, so that the
// request can be made again.
func (s *Store) ReleaseRequest(ctx context.Context, tenant, key string, owner uuid.UUID) error {
	_, err := s.forTenant(tenant).Exec(ctx, `delete from halosync.answers where tenant = $1 and key = $2 and owner = $3`, tenant, key, owner)
	return wrap("release request", err)
}
