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
	// ErrBusy says that a request with this key is being executed just now.
	ErrBusy = errors.New("a request with this key is being executed")
	// ErrOtherRequest says that another request was made under this key.
	ErrOtherRequest = errors.New("the key belongs to another request")
)

// Answer is what a request was answered.
type Answer struct {
	Status int
	Header json.RawMessage // of the HTTP answer, as far as it matters
	Body   []byte
}

// ClaimedRequest is what [Store.ClaimRequest] found.
type ClaimedRequest struct {
	Owner  uuid.UUID // whoever executes it answers under this id; zero: it was answered
	Answer Answer
}

// answerLife is how long an answer is kept: less than any run, which is kept for
// seven days at least after its end, so the run that an answer names is there.
const answerLife = 24 * time.Hour

// printColumn is part of what the sealed print of a request is bound to.
const printColumn = "answers.print"

// ClaimRequest looks up what the tenant's request of a key was answered within
// the last day, or makes the caller the one who executes it; then it must call
// [Store.AnswerRequest] or [Store.ReleaseRequest]. print tells requests apart,
// and is stored sealed. [ErrBusy]: somebody else is at it; [ErrOtherRequest]:
// the key is another request's. Whoever took a request and did not answer for
// five minutes has died, and the next one takes it.
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

// takeRequest reads the row of a key that is there already, and takes it over
// if nobody will answer it.
func (s *Store) takeRequest(ctx context.Context, tx pgx.Tx, tenant, key, print string, owner uuid.UUID) (claim ClaimedRequest, err error) {
	var sealed []byte
	var answered, abandoned bool
	err = tx.QueryRow(ctx, `
		select print, status is not null, claimed_at < now() - interval '5 minutes',
			coalesce(status, 0), coalesce(header, '{}'), coalesce(body, '')
		from halosync.answers where tenant = $1 and key = $2 for update`, tenant, key).
		Scan(&sealed, &answered, &abandoned, &claim.Answer.Status, &claim.Answer.Header, &claim.Answer.Body)
	if errors.Is(err, pgx.ErrNoRows) { // released at this moment
		return claim, ErrBusy
	}
	if err != nil {
		return claim, err
	}
	known, err := s.keys.Open(sealed, tenant, key, printColumn)
	if err != nil || subtle.ConstantTimeCompare([]byte(known.Reveal()), []byte(print)) == 0 {
		return claim, ErrOtherRequest // or nobody can say any more, if its key is gone
	}
	switch {
	case answered:
		return claim, nil
	case !abandoned:
		return claim, ErrBusy
	}
	claim.Owner = owner
	_, err = tx.Exec(ctx, `update halosync.answers set owner = $3, claimed_at = now() where tenant = $1 and key = $2`, tenant, key, owner)
	return claim, err
}

// AnswerRequest keeps the answer to a request that the caller claimed.
func (s *Store) AnswerRequest(ctx context.Context, tenant, key string, owner uuid.UUID, a Answer) error {
	if a.Body == nil {
		a.Body = []byte{}
	}
	_, err := s.forTenant(tenant).Exec(ctx, `
		update halosync.answers set status = $4, header = $5, body = $6
		where tenant = $1 and key = $2 and owner = $3`, tenant, key, owner, a.Status, a.Header, a.Body)
	return wrap("answer request", err)
}

// ReleaseRequest forgets a request that the caller claimed: nothing came of it,
// and the same may be tried again.
func (s *Store) ReleaseRequest(ctx context.Context, tenant, key string, owner uuid.UUID) error {
	_, err := s.forTenant(tenant).Exec(ctx, `delete from halosync.answers where tenant = $1 and key = $2 and owner = $3`, tenant, key, owner)
	return wrap("release request", err)
}
