package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

const (
	// maxTests is the number of connections that are tested at the same time.
	maxTests = 8
	// testTimeout bounds one test: a token, one client and a retry.
	testTimeout = 30 * time.Second
	// refsPage is the number of connections that are read at a time.
	refsPage = 500
)

// halo tests the credentials of active connections, up to Config.Connections of them: for
// each, it requests a token and reads one client.
func (c Config) halo(ctx context.Context, r *Report) {
	var active []repo.ConnectionRef
	left, paused := 0, 0
	for after := uuid.Nil; ; {
		refs, err := c.Store.ConnectionsAfter(ctx, after, refsPage)
		if err != nil {
			r.add("halo", Fault, err.Error(), "")
			return
		}
		for _, ref := range refs {
			switch {
			case ref.State == repo.NeedsReconnect:
				r.Add(Finding{
					"halo", Fault, subject(ref), "Halo refused its credentials: it must be reconnected",
					fmt.Sprintf("get new credentials, then: enqueue --tenant %s connection update %s --client-secret-file FILE", word(ref.Tenant), ref.ID),
				})
			case ref.State == repo.Paused:
				paused++
			case len(active) < c.Connections:
				active = append(active, ref)
			default:
				left++
			}
		}
		if len(refs) < refsPage {
			break
		}
		after = refs[len(refs)-1].ID
	}
	good := c.test(ctx, r, active)
	r.add("halo", OK, fmt.Sprintf("%d of %s can get a token and read a client", good, plaintext.Plural(len(active), "tested connection", "tested connections")), "")
	if left+paused > 0 {
		r.add("halo", Skipped, plaintext.Plural(left, "more active connection", "more active connections")+" (use --connections N to test more), "+
			plaintext.Plural(paused, "paused connection", "paused connections"), "")
	}
}

// test tests several connections at a time and reports the results in the order of
// refs.
func (c Config) test(ctx context.Context, r *Report, refs []repo.ConnectionRef) (good int) {
	errs := make([]error, len(refs))
	slots := make(chan struct{}, maxTests)
	var testing sync.WaitGroup
	for i, ref := range refs {
		slots <- struct{}{}
		testing.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, testTimeout)
			defer cancel()
			_, errs[i] = c.Engine.TestConnection(ctx, ref.Tenant, ref.ID.String())
		})
	}
	testing.Wait()
	for i, err := range errs {
		if err == nil {
			good++
			continue
		}
		r.Add(Finding{"halo", Fault, subject(refs[i]), err.Error(), advice(refs[i], err)})
	}
	return good
}

// advice returns a remedy for a failed connection, and the command with which to test the
// connection again.
func advice(ref repo.ConnectionRef, err error) string {
	p := problem.Of(err)
	if p.Code == problem.Internal || p.Advice == "" {
		p.Advice = "fix what the message describes"
	}
	return fmt.Sprintf("%s, then: enqueue --tenant %s connection test %s", p.Advice, word(ref.Tenant), ref.ID)
}

func subject(ref repo.ConnectionRef) string { return ref.Tenant + "/" + ref.Name }

// word quotes a tenant's name for a shell.
func word(name string) string { return fmt.Sprintf("%q", name) }
