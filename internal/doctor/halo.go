package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

const (
	// haloAtOnce is how many connections are tested at the same time, and
	// haloPatience what one may take: a token, a page, and a retry.
	haloAtOnce   = 8
	haloPatience = 30 * time.Second
	// refsAtOnce is how many connections are read at a time.
	refsAtOnce = 500
)

// halo gets a token and one client with the credentials of each active
// connection, up to a number of them.
func (c Config) halo(ctx context.Context, r *Report) {
	var active []repo.ConnectionRef
	left, paused := 0, 0
	for after := uuid.Nil; ; {
		refs, err := c.Store.ConnectionsAfter(ctx, after, refsAtOnce)
		if err != nil {
			r.add("halo", Fault, err.Error(), "")
			return
		}
		for _, ref := range refs {
			switch {
			case ref.State == repo.NeedsReconnect:
				r.Add(Finding{"halo", Fault, subject(ref), "Halo refused its credentials: it needs to be reconnected",
					fmt.Sprintf("get new credentials, then: enqueue --tenant %s connection update %s --client-secret-file FILE", word(ref.Tenant), ref.ID)})
			case ref.State == repo.Paused:
				paused++
			case len(active) < c.Connections:
				active = append(active, ref)
			default:
				left++
			}
		}
		if len(refs) < refsAtOnce {
			break
		}
		after = refs[len(refs)-1].ID
	}
	good := c.test(ctx, r, active)
	r.add("halo", OK, fmt.Sprintf("%d of %d connections that were tested get a token and a client", good, len(active)), "")
	if left+paused > 0 {
		r.add("halo", Skipped, fmt.Sprintf("%d more active connections (--connections N tests as many), %d paused ones", left, paused), "")
	}
}

// test tests several connections at a time, and tells in their order.
func (c Config) test(ctx context.Context, r *Report, refs []repo.ConnectionRef) (good int) {
	errs := make([]error, len(refs))
	slots := make(chan struct{}, haloAtOnce)
	var testing sync.WaitGroup
	for i, ref := range refs {
		slots <- struct{}{}
		testing.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, haloPatience)
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
		r.Add(Finding{"halo", Fault, subject(refs[i]), err.Error(), cure(refs[i], err)})
	}
	return good
}

// cure says what to do about a connection that does not work, and how to look at it
// alone.
func cure(ref repo.ConnectionRef, err error) string {
	p := problem.Of(err)
	if p.Code == problem.Internal || p.Advice == "" {
		p.Advice = "do what the text says"
	}
	return fmt.Sprintf("%s, then: enqueue --tenant %s connection test %s", p.Advice, word(ref.Tenant), ref.ID)
}

func subject(ref repo.ConnectionRef) string { return ref.Tenant + "/" + ref.Name }

// word is a tenant's name as a shell takes it.
func word(name string) string { return fmt.Sprintf("%q", name) }
